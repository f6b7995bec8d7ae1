"""When a learner's checkpoints are written, and what happens when the disk has no room for one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.checkpoints.learner_checkpoints import SavedLearner
from quinoa.launch.errors import RunError
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.events import EventKind
from quinoa.launch.run.node_warnings import Warn


class CheckpointSchedule:
    """Writes checkpoints at intervals; one that the disk cannot take is skipped, with a warning.

    Attributes:
        seconds: the time that writing has taken in total.
        skipped: the number of checkpoints that were skipped.
    """

    def __init__(
        self,
        learner: SavedLearner,
        folder: Path,
        period_s: float,
        counts: Callable[[], Counts],
        warn: Warn,
    ):
        """Writes nothing yet.

        Args:
            learner: the learner to save.
            folder: the folder of the run's checkpoints.
            period_s: seconds from one checkpoint to the next.
            counts: the run's counts, for `learner_checkpoints.save`.
            warn: receives a warning of the first checkpoint that is skipped, and again of the
                first one after another was written.
        """
        self._learner = learner
        self._folder = folder
        self._period_s = period_s
        self._counts = counts
        self._warn = warn
        self._last = time.monotonic()
        self._is_failing = False
        self.seconds = 0.0
        self.skipped = 0

    @property
    def is_due(self) -> bool:
        """Whether a period has passed since the last checkpoint was written or skipped."""
        return time.monotonic() - self._last >= self._period_s

    def save(self) -> None:
        """Writes a checkpoint, or skips it until the next period if the disk cannot take it.

        Raises:
            NonFiniteError: see `learner_checkpoints.save`.
        """
        try:
            self._save()
        except OSError as error:
            self.skipped += 1
            if not self._is_failing:
                self._is_failing = True
                self._warn(
                    EventKind.CHECKPOINT_SKIPPED,
                    f"a checkpoint cannot be written ({error}): make room on the disk. "
                    f"{self._standing()} It is tried again every {self._period_s:g} s.",
                )
        else:
            self._is_failing = False

    def save_last(self) -> None:
        """Writes the run's last checkpoint.

        Raises:
            RunError: the disk cannot take it; the message names the newest one that there is.
            NonFiniteError: see `learner_checkpoints.save`.
        """
        try:
            self._save()
        except OSError as error:
            raise RunError(
                f"The run's last checkpoint cannot be written ({error}): make room on the disk. "
                f"{self._standing()}"
            ) from error

    def _save(self) -> None:
        started = time.monotonic()
        try:
            learner_checkpoints.save(self._folder, self._learner, self._counts())
        finally:
            self._last = time.monotonic()
            self.seconds += self._last - started

    def _standing(self) -> str:
        there = learner_checkpoints.all_of(self._folder)
        return f"The newest one is {there[-1].path}." if there else "There is none yet."
