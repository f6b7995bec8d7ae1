"""What a learner does that has no actors: gradient steps, measured and saved, until it is over."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from quinoa.agents.demonstration_agent import (
    DemonstrationAgent,
    DemonstrationsError,
    OtherCheckpointError,
)
from quinoa.launch.checkpoints.learner_checkpoints import Checkpoint
from quinoa.launch.errors import FatalError
from quinoa.launch.experiment import Experiment
from quinoa.launch.experiment.of_agents import make_demonstration_agent
from quinoa.launch.metrics.reporter import Reporter
from quinoa.launch.roles.checkpoint_schedule import CheckpointSchedule
from quinoa.launch.roles.metric_rows import Rate
from quinoa.launch.run import columns, node_warnings
from quinoa.launch.run.counts import LEARNER_STEPS, Counts
from quinoa.launch.run.reports import Send
from quinoa.launch.run.roles import Role, node_name
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.terminal.output import say

# The only node of its kind, as events name it.
_NODE = node_name(Role.LEARNER)
# Each of so many first steps has a row of metrics; after that the period doubles whenever the
# number of steps does. What is measured has a row besides.
_EVERY_ROW = 200


class _StoppedError(Exception):
    """A gradient step was to end early."""


def make_agent(experiment: Experiment, checkpoint: Checkpoint | None) -> DemonstrationAgent:
    """Makes the agent of an experiment, as it was when a checkpoint was made, if there is one.

    Raises:
        FatalError: its demonstrations cannot be loaded, or are not those of the checkpoint.
    """
    try:
        agent = make_demonstration_agent(experiment)
        if checkpoint is not None and (note := agent.restore(checkpoint.learner_prefix)):
            say(f"{_NODE}: {note}.")
    except (DemonstrationsError, OtherCheckpointError) as error:
        raise FatalError(str(error)) from error
    say(f"{_NODE}: {agent.described()}")
    return agent


class DemonstrationLearning:
    """An agent that learns from demonstrations alone, a gradient step a turn."""

    def __init__(
        self,
        experiment: Experiment,
        agent: DemonstrationAgent,
        folder: RunFolder,
        reporter: Reporter,
    ):
        """Learns nothing yet.

        Args:
            experiment: what is run.
            agent: of `make_agent`.
            folder: of the run.
            reporter: takes the number of gradient steps, and rows of metrics.
        """
        self._experiment = experiment
        self._agent = agent
        self._reporter = reporter
        self._checkpoints = CheckpointSchedule(
            agent,
            folder.checkpoints,
            experiment.checkpoint_period_s,
            Counts,
            node_warnings.of(folder.events, _NODE),
        )
        self._rate = Rate(agent.steps)
        self._checkpoints_before = 0, 0.0
        reporter.set_learner_steps(agent.steps)

    @property
    def is_over(self) -> bool:
        """Whether it has done its last step, or there is nothing more to learn."""
        return self._agent.steps >= self._experiment.steps or self._agent.is_over

    def turn(self, should_stop: Callable[[], bool]) -> None:
        """Does one gradient step, and measures what is due.

        Args:
            should_stop: asked within the step, which ends without effect when it is true, and
                within what is measured, which is left out then unless it is the run's last.

        Raises:
            FatalError: it cannot go on.
        """

        def before_each() -> None:
            if should_stop():
                raise _StoppedError

        agent = self._agent
        try:
            found = agent.gradient_step(before_each)
        except _StoppedError:
            return
        except DemonstrationsError as error:
            raise FatalError(str(error)) from error
        self._reporter.set_learner_steps(agent.steps)
        measured: dict[str, float | None] = dict.fromkeys(agent.measures)
        is_measured = False
        if self.is_over:
            # To the end, whatever is told: a run that is over is not resumed.
            measured.update(agent.evaluate(lambda: None))
            is_measured = True
        elif agent.steps % self._experiment.steps_between_evaluations == 0:
            with contextlib.suppress(_StoppedError):
                measured.update(agent.evaluate(before_each))
                is_measured = True
        # By steps and not by time, so that the same seed gives the same rows.
        if is_measured or agent.steps % _row_period(agent.steps) == 0:
            self._record({**found, **measured})

    def save_if_due(self) -> None:
        """Writes a checkpoint if one is due."""
        if self._checkpoints.is_due:
            self._checkpoints.save()

    def end(self) -> None:
        """Saves what was learned last; raises `RunError` where that cannot be."""
        self._checkpoints.save_last()

    def _record(self, metrics: dict[str, Any]) -> None:
        skipped, seconds = self._checkpoints_before
        checkpoints = self._checkpoints
        self._reporter.record(
            {
                LEARNER_STEPS: self._agent.steps,
                columns.STEPS_PER_SECOND: self._rate.per_second(self._agent.steps),
                columns.SKIPPED_CHECKPOINTS: checkpoints.skipped - skipped,
                columns.CHECKPOINT_SECONDS: checkpoints.seconds - seconds,
                **metrics,
            }
        )
        self._checkpoints_before = checkpoints.skipped, checkpoints.seconds


class DemonstrationTurns:
    """The same within one process, as `Turns` is of a run that has actors."""

    def __init__(
        self,
        experiment: Experiment,
        folder: RunFolder,
        checkpoint: Checkpoint | None,
        report: Send,
        *,
        should_stop: Callable[[], bool],
    ):
        """Makes the agent; nothing is done yet.

        Args:
            experiment: what is run.
            folder: of the run.
            checkpoint: to begin from; None is from the beginning.
            report: `Counter.report`.
            should_stop: asked often; a step ends when it is true.

        Raises:
            FatalError: see `make_agent`.
        """
        self._should_stop = should_stop
        self._reporter = Reporter(report, Role.LEARNER, source=Role.LEARNER)
        self._learning = DemonstrationLearning(
            experiment, make_agent(experiment, checkpoint), folder, self._reporter
        )

    @property
    def is_over(self) -> bool:
        """Whether the run is over."""
        return self._learning.is_over

    def take(self) -> None:
        """One gradient step; raises `FatalError` where it cannot go on."""
        self._learning.turn(self._should_stop)
        self._reporter.send()

    def save_if_due(self) -> None:
        """Writes a checkpoint if one is due."""
        self._learning.save_if_due()

    def save_last(self) -> None:
        """Writes the run's last checkpoint; raises `RunError` where that cannot be."""
        self._learning.end()

    def close(self) -> None:
        """Has nothing to close."""


def _row_period(step: int) -> int:
    """The steps from one row of metrics to the next: 1 at first, and more the later it is."""
    return int(2 ** max(0, (2 * step // _EVERY_ROW).bit_length() - 1))
