"""An actor as a process: acts in its environments and writes what it sees to replay."""

from __future__ import annotations

import sys
import threading
from typing import NoReturn

from quinoa.agents.parameters import ParameterClient
from quinoa.launch.experiment import Experiment
from quinoa.launch.metrics.reporter import UNREACHABLE_S, BackgroundReporter
from quinoa.launch.nodes import acting_plan, heartbeat
from quinoa.launch.nodes.exit_codes import (
    RUN_IS_OVER,
    TOLD_TO_STOP,
    too_many_faults_are_fatal,
)
from quinoa.launch.nodes.host_parameters import for_all_of_the_host
from quinoa.launch.nodes.peers import GetActingPlan, GetParameters, ReplayPeer, answer_of_learner
from quinoa.launch.roles.acting import Acting
from quinoa.launch.run.reports import Send
from quinoa.launch.run.roles import Role, node_name
from quinoa.launch.terminal.output import say

# Seconds from one row of metrics to the next.
_REPORT_S = 1.0


class ActorNode:
    """Acts until the run is over or it is told to stop."""

    def __init__(
        self,
        experiment: Experiment,
        index: int,
        replay: ReplayPeer,
        get_parameters: GetParameters,
        get_acting_plan: GetActingPlan,
        report: Send,
        stop: threading.Event,
    ):
        """Makes nothing yet.

        Args:
            experiment: what is run.
            index: of this actor, from 0.
            replay: the replay server.
            get_parameters: `LearnerNode.get_parameters`.
            get_acting_plan: `LearnerNode.get_acting_plan`.
            report: `Counter.report`.
            stop: ends `run`.
        """
        self._experiment = experiment
        self._index = index
        self._replay = replay
        self._get_parameters = get_parameters
        self._get_acting_plan = get_acting_plan
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
        with BackgroundReporter(self._report, Role.ACTOR) as reporter:
            self._run(reporter)
            is_over = reporter.stop
        sys.exit(RUN_IS_OVER if is_over else TOLD_TO_STOP)

    def _run(self, reporter: BackgroundReporter) -> None:
        # An actor that was started again must not draw what it has drawn before.
        reporter.wait_for_answer(self._stop_event.is_set)
        experiment = self._experiment.resumed(reporter.counts.actor_steps)
        environments = experiment.make_environments(
            experiment.environments_per_actor, Role.ACTOR, self._index
        )

        @heartbeat.beating
        def should_stop() -> bool:
            return self._stop_event.is_set() or reporter.stop

        encoded = answer_of_learner(self._get_acting_plan, should_stop, tolerance_s=UNREACHABLE_S)
        if encoded is None:
            environments.close()
            return
        plan = acting_plan.decoded(encoded)
        say(f"{node_name(Role.ACTOR, self._index)}: {plan.described()}")
        policy = acting_plan.make_policy(plan, experiment, mode=False)
        source = plan.source or experiment.make_source()
        parameters = ParameterClient(
            for_all_of_the_host(self._get_parameters, period_s=source.polling_period_s),
            policy.assign,
            period_s=source.polling_period_s,
            tolerance_s=UNREACHABLE_S,
        )
        replay_address = None
        if parameters.wait_for_first(should_stop):
            replay_address = self._replay.connect(should_stop)
        if replay_address is None:
            parameters.close()
            environments.close()
            return
        should_stop = self._replay.failing_where_moved(replay_address, should_stop)
        writer = source.writer(replay_address, len(environments), should_stop=should_stop)
        acting = Acting(
            experiment,
            self._index,
            policy,
            environments,
            writer,
            reporter,
            parameters=source.synchronized(parameters, writer, should_stop=should_stop),
        )
        with too_many_faults_are_fatal():
            while not should_stop():
                acting.turn()
                if acting.seconds_since_row >= _REPORT_S:
                    acting.record()
        acting.record()
        acting.close()
