"""The evaluator as a process: measures the latest policy at intervals, and sleeps between."""

from __future__ import annotations

import threading

from quinoa.launch.experiment import Experiment
from quinoa.launch.metrics.reporter import UNREACHABLE_S, BackgroundReporter
from quinoa.launch.nodes import acting_plan, heartbeat
from quinoa.launch.nodes.exit_codes import too_many_faults_are_fatal
from quinoa.launch.nodes.peers import GetActingPlan, GetParameters, answer_of_learner
from quinoa.launch.roles.evaluating import Evaluating
from quinoa.launch.run.reports import Send
from quinoa.launch.run.roles import Role, node_name
from quinoa.launch.terminal.output import say

# Seconds from one look at the counts to the next.
_PERIOD_S = 0.2


class EvaluatorNode:
    """Evaluates whenever the actors have passed another multiple of the period."""

    def __init__(
        self,
        experiment: Experiment,
        get_parameters: GetParameters,
        get_acting_plan: GetActingPlan,
        report: Send,
        stop: threading.Event,
    ):
        """Makes nothing yet.

        Args:
            experiment: what is run.
            get_parameters: `LearnerNode.get_evaluation_parameters`.
            get_acting_plan: `LearnerNode.get_acting_plan`.
            report: `Counter.report`.
            stop: ends `run`.
        """
        self._experiment = experiment
        self._get_parameters = get_parameters
        self._get_acting_plan = get_acting_plan
        self._report = report
        self._stop_event = stop

    def run(self) -> None:
        """Evaluates at intervals until it is told to stop.

        Raises:
            FatalError: the environments fail too often.
            NonFiniteError: the policy's actions are NaN or infinite too often; see `ActorNode`.
        """
        with BackgroundReporter(self._report, Role.EVALUATOR) as reporter:
            self._run(reporter)

    def _run(self, reporter: BackgroundReporter) -> None:
        experiment = self._experiment
        should_stop = heartbeat.beating(self._stop_event.is_set)
        encoded = answer_of_learner(self._get_acting_plan, should_stop, tolerance_s=UNREACHABLE_S)
        if encoded is None:
            return
        plan = acting_plan.decoded(encoded)
        say(f"{node_name(Role.EVALUATOR)}: {plan.described()}")
        policy = acting_plan.make_policy(plan, experiment, mode=True)
        evaluating = Evaluating(experiment, policy, reporter)
        reporter.wait_for_answer(self._stop_event.is_set)
        with too_many_faults_are_fatal():
            while not self._stop_event.wait(_PERIOD_S):
                heartbeat.beat()
                actor_steps = reporter.counts.actor_steps
                # `stop` raises when the counter is gone.
                if reporter.stop or not evaluating.is_due(actor_steps):
                    continue
                # It has published its first ones before it answers anything.
                newest = answer_of_learner(
                    lambda: self._get_parameters(-1), should_stop, tolerance_s=UNREACHABLE_S
                )
                if newest is None:
                    break
                version, parameters = newest
                policy.assign(parameters)
                if not evaluating.turn(actor_steps, version, should_stop):
                    break
        evaluating.close()
