"""An actor as a process: acts in its environments and writes what it sees to replay."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from quinoa.agents import registry
from quinoa.agents.actor import Actor
from quinoa.agents.parameters import ParameterClient
from quinoa.agents.replay import SegmentWriter
from quinoa.launch.experiment import Experiment
from quinoa.launch.metrics.reporter import PATIENCE_S, BackgroundReporter, Report
from quinoa.launch.nodes import heartbeat
from quinoa.launch.nodes.exit_codes import (
    RUN_IS_OVER,
    TOLD_TO_STOP,
    too_many_faults_are_fatal,
)
from quinoa.launch.nodes.peers import ReplayPeer
from quinoa.launch.roles.metric_rows import ActorRows
from quinoa.launch.roles.role_warnings import WarningLog
from quinoa.launch.run.counts import ACTOR_STEPS, EPISODES, LEARNER_STEPS
from quinoa.launch.run.run_folder import RunFolder

# Seconds from one row of metrics to the next.
_REPORT_S = 1.0


class ActorNode:
    """Acts until the run is over or it is told to stop."""

    def __init__(
        self,
        experiment: Experiment,
        index: int,
        folder: RunFolder,
        replay: ReplayPeer,
        get_parameters: Callable[[int], tuple[int, npt.NDArray[np.float32]] | None],
        report: Report,
        stop: threading.Event,
    ):
        """Makes nothing yet.

        Args:
            experiment: what is run.
            index: of this actor, from 0.
            folder: of the run.
            replay: the replay server.
            get_parameters: `LearnerNode.get_parameters`.
            report: `Counter.report`.
            stop: ends `run`.
        """
        self._experiment = experiment
        self._index = index
        self._folder = folder
        self._replay = replay
        self._get_parameters = get_parameters
        self._report = report
        self._stop_event = stop

    def run(self) -> NoReturn:
        """Acts until the run is over or it is told to stop.

        Raises:
            SystemExit: with `RUN_IS_OVER`, or with `TOLD_TO_STOP` if it is not.
            FatalError: the environments fail too often.
            NonFiniteError: the policy's actions are NaN or infinite too often. Another start may
                find better parameters, if the learner has gone back to some.
        """
        index = self._index
        reporter = BackgroundReporter(self._report, "actor")
        # An actor that was started again must not draw what it has drawn before.
        reporter.wait_for_answer(self._stop_event.is_set)
        experiment = self._experiment.going_on(reporter.count(ACTOR_STEPS))
        config = experiment.config
        environments = experiment.make_environments(
            experiment.environments_per_actor, "actor", index
        )
        spec = experiment.spec()
        policy = registry.load(experiment.agent).agent_class.make_policy(config, spec)

        @heartbeat.beating
        def should_stop() -> bool:
            return self._stop_event.is_set() or reporter.stop

        parameters = ParameterClient(self._get_parameters, policy, tolerance_s=PATIENCE_S)
        replay_client = None
        if parameters.wait_for_first(should_stop):
            replay_client = self._replay.connect(should_stop)
        if replay_client is None:
            parameters.close()
            environments.close()
            _end(reporter)
        should_stop = self._replay.failing_where_moved(replay_client, should_stop)
        writer = SegmentWriter(
            replay_client, len(environments), config, spec, should_stop=should_stop
        )
        actor = Actor(
            policy,
            environments,
            writer,
            seed=experiment.seed_of("actor-policy", index),
            parameters=parameters,
        )
        rows = ActorRows(index)
        warnings = WarningLog(f"actor-{index}", self._folder.events)
        while not should_stop():
            # As of now: once it has acted, the step may wait for replay while the learner goes on.
            learner_steps = reporter.count(LEARNER_STEPS)
            with too_many_faults_are_fatal():
                step = actor.step()
            age = max(learner_steps - parameters.version, 0)
            rows.add(step, age, is_stale=warnings.parameter_age(age, experiment.max_parameter_age))
            warnings.dropped(step.faults)
            warnings.truncated(len(step.truncated), experiment.max_episode_steps)
            reporter.add(ACTOR_STEPS, step.num_transitions)
            reporter.add(EPISODES, len(step.returns))
            if rows.seconds >= _REPORT_S:
                reporter.record(rows.take())
        if not rows.is_empty:
            reporter.record(rows.take())
        actor.close()
        _end(reporter)


def _end(reporter: BackgroundReporter) -> NoReturn:
    is_over = reporter.stop
    reporter.close()
    sys.exit(RUN_IS_OVER if is_over else TOLD_TO_STOP)
