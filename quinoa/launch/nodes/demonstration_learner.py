"""The learner of a run without actors, as a process: it learns, saves, and ends the run."""

from __future__ import annotations

import sys
import threading
from typing import NoReturn

from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.experiment import Experiment
from quinoa.launch.metrics.counter import LEARNER_SOURCE
from quinoa.launch.metrics.reporter import BackgroundReporter
from quinoa.launch.nodes import heartbeat
from quinoa.launch.nodes.exit_codes import RUN_IS_OVER, TOLD_TO_STOP
from quinoa.launch.roles.demonstration_learning import DemonstrationLearning, make_agent
from quinoa.launch.run.reports import Send
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder


class DemonstrationLearnerNode:
    """Learns from demonstrations until the run is over or it is told to stop."""

    def __init__(
        self, experiment: Experiment, folder: RunFolder, report: Send, stop: threading.Event
    ):
        """Loads the demonstrations, and what was last saved, if something was.

        Args:
            experiment: what is run.
            folder: of the run.
            report: `Counter.report`.
            stop: ends `run`.

        Raises:
            FatalError: see `make_agent`.
            RunError: there are checkpoints, and none is whole.
        """
        self._experiment = experiment
        self._folder = folder
        self._report = report
        self._stop_event = stop
        checkpoint = learner_checkpoints.recover_newest(folder.checkpoints)
        self._agent = make_agent(experiment, checkpoint)

    def run(self) -> NoReturn:
        """Learns until the run is over or it is told to stop, then saves.

        Raises:
            SystemExit: with `RUN_IS_OVER`, or with `TOLD_TO_STOP` if it is not.
            FatalError: it cannot go on.
            RunError: what it has learned last cannot be saved.
        """
        should_stop = heartbeat.beating(self._stop_event.is_set)
        with BackgroundReporter(
            self._report, Role.LEARNER, source=LEARNER_SOURCE, learner_steps=self._agent.steps
        ) as reporter:
            learning = DemonstrationLearning(self._experiment, self._agent, self._folder, reporter)
            while not learning.is_over and not should_stop():
                learning.turn(should_stop)
                learning.save_if_due()
            learning.end()
            is_over = learning.is_over
        sys.exit(RUN_IS_OVER if is_over else TOLD_TO_STOP)
