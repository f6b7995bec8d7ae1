"""The evaluator as a process: measures the latest policy at intervals, and sleeps between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from quinoa.agents import registry
from quinoa.agents.evaluation import EvaluationStopped, evaluate
from quinoa.agents.learner import unflatten
from quinoa.launch.experiment import MAX_EVALUATION_ENVIRONMENTS, Experiment
from quinoa.launch.metrics.reporter import PATIENCE_S, BackgroundReporter, Report
from quinoa.launch.nodes import heartbeat
from quinoa.launch.nodes.exit_codes import too_many_faults_are_fatal
from quinoa.launch.roles.metric_rows import evaluation_row
from quinoa.launch.roles.role_warnings import WarningLog
from quinoa.launch.run.counts import ACTOR_STEPS
from quinoa.launch.run.run_folder import RunFolder

# Seconds from one look at the counts to the next.
_PERIOD_S = 0.2


class EvaluatorNode:
    """Evaluates whenever the actors have come past another multiple of the period."""

    def __init__(
        self,
        experiment: Experiment,
        folder: RunFolder,
        get_parameters: Callable[[int], tuple[int, npt.NDArray[np.float32]] | None],
        report: Report,
        stop: threading.Event,
    ):
        """Makes nothing yet.

        Args:
            experiment: what is run.
            folder: of the run.
            get_parameters: `LearnerNode.get_parameters`.
            report: `Counter.report`.
            stop: ends `run`.
        """
        self._experiment = experiment
        self._folder = folder
        self._get_parameters = get_parameters
        self._report = report
        self._stop_event = stop

    def run(self) -> None:
        """Evaluates at intervals until it is told to stop.

        Raises:
            FatalError: the environments fail too often.
            NonFiniteError: the policy's actions are NaN or infinite too often; see `ActorNode`.
        """
        experiment = self._experiment
        reporter = BackgroundReporter(self._report, "evaluator")
        environments = experiment.make_environments(
            min(experiment.evaluation_episodes, MAX_EVALUATION_ENVIRONMENTS), "evaluator"
        )
        agent = registry.load(experiment.agent).agent_class
        policy = agent.make_policy(experiment.config, experiment.spec())
        reporter.wait_for_answer(self._stop_event.is_set)
        period = experiment.steps_between_evaluations
        warnings = WarningLog("evaluator-0", self._folder.events)
        due = 0
        while not self._stop_event.wait(_PERIOD_S):
            heartbeat.beat()
            actor_steps = reporter.count(ACTOR_STEPS)
            # `stop` raises when the counter is gone.
            if reporter.stop or actor_steps < due:
                continue
            due = (actor_steps // period + 1) * period
            newest = self._newest_parameters()
            if newest is None:
                break
            version, parameters = newest
            unflatten(policy, parameters)
            try:
                with too_many_faults_are_fatal():
                    result = evaluate(
                        policy,
                        environments,
                        experiment.evaluation_episodes,
                        seed=experiment.seed_of("evaluation", actor_steps),
                        sample=experiment.evaluation_sample,
                        should_stop=heartbeat.beating(self._stop_event.is_set),
                    )
            except EvaluationStopped:
                break
            warnings.dropped(result.faults)
            warnings.truncated(result.num_truncated, experiment.max_episode_steps)
            reporter.record(evaluation_row(result, actor_steps, version))
        environments.close()
        reporter.close()

    def _newest_parameters(self) -> tuple[int, npt.NDArray[np.float32]] | None:
        """Fetches them, however long the learner takes to start; None when told to stop.

        Raises:
            ConnectionError: the learner has been out of reach for too long.
        """
        deadline = time.monotonic() + PATIENCE_S
        while not self._stop_event.is_set():
            heartbeat.beat()
            try:
                # It has published its first ones before it answers anything.
                return self._get_parameters(-1)
            except Exception as error:
                if time.monotonic() >= deadline:
                    raise ConnectionError(
                        f"The learner did not answer for {PATIENCE_S:.0f} s: {error}"
                    ) from error
                self._stop_event.wait(_PERIOD_S)
        return None
