"""When a learner's checkpoints are written, and what is done where there is no room for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from quinoa.agents.learner import Learner
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.errors import RunError
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.node_warnings import Warn


class CheckpointSchedule:
    """Writes checkpoints at intervals. One that the disk does not take is left out, not an error.

    Attributes:
        seconds: that writing has taken, in all.
        skipped: checkpoints that were left out.
    """

    def __init__(
        self,
        learner: Learner,
        folder: Path,
        period_s: float,
        counts: Callable[[], Counts],
        warn: Warn,
    ):
        """Writes nothing yet.

        Args:
            learner: what is saved.
            folder: of the run's checkpoints.
            period_s: seconds from one checkpoint to the next.
            counts: the run's counts, for `checkpoints.save`.
            warn: is told once when checkpoints are left out, until one is written again.
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
        """Whether a period has passed since the last one was written or left out."""
        return time.monotonic() - self._last >= self._period_s

    def save(self) -> None:
        """Writes a checkpoint, or leaves it out until the next period if the disk is full.

        Raises:
            NonFiniteError: see `checkpoints.save`.
        """
        try:
            self._save()
        except OSError as error:
            self.skipped += 1
            if not self._is_failing:
                self._is_failing = True
                self._warn(
                    "checkpoint_skipped",
                    f"a checkpoint cannot be written ({error}): make room on the disk. "
                    f"{self._standing()} It is tried again every {self._period_s:g} s.",
                )
        else:
            self._is_failing = False

    def save_last(self) -> None:
        """Writes the run's last checkpoint.

        Raises:
            RunError: the disk does not take it; the message says what there is instead.
            NonFiniteError: see `checkpoints.save`.
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
