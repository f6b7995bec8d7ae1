"""The answer to a learner that diverges: back to its last checkpoint once, then an error."""

from __future__ import annotations

from pathlib import Path

from quinoa.agents import divergence
from quinoa.agents.learner import Learner
from quinoa.agents.types import Transition, named
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.errors import FatalError
from quinoa.launch.run.events import EventKind
from quinoa.launch.run.node_warnings import Warn

# The largest share of gradient steps that may be skipped, and the steps in a window at least.
MAX_SKIPPED = 0.1
WINDOW_STEPS = 1000


class DivergedError(FatalError):
    """Learning has diverged and going back has not helped, or there was nothing to go back to."""


class DivergenceGuard:
    """Detects divergence of a learner, and restores its last checkpoint then.

    Learning has diverged when a variable is not finite, or when more than `MAX_SKIPPED` of the
    steps of a window were skipped. A window ends at the first inspection at which it has
    `WINDOW_STEPS` steps or more, and the next one begins there.
    """

    def __init__(self, learner: Learner, folder: Path, warn: Warn):
        """Begins the first window.

        Args:
            learner: the learner to inspect; it may have been restored.
            folder: the folder of the run's checkpoints.
            warn: receives a warning of the first skipped step, and of each rollback.
        """
        self._learner = learner
        self._folder = folder
        self._warn = warn
        self._went_back_to: learner_checkpoints.Checkpoint | None = None
        self._is_on_probation = False
        self._has_warned = False
        self.rollbacks = 0
        self._begin_window()

    @property
    def may_save(self) -> bool:
        """Whether the learner, as it is now, is worth a checkpoint.

        It is not while more steps are skipped than may be, as that may end in a rollback; nor
        after a rollback until a whole window has gone well, as the same may happen again.
        """
        return not self._is_on_probation and not self._skips_too_many()

    def inspect(self, superbatch: Transition) -> None:
        """Looks for divergence, and restores the newest checkpoint where it finds it.

        To be called after every few calls of `Learner.step`, before parameters are published.

        Args:
            superbatch: the last superbatch that was learned from.

        Raises:
            DivergedError: there is no checkpoint, or it has gone back to it before.
            RunError: no checkpoint is whole.
        """
        steps, skipped = self._in_window()
        if skipped and not self._has_warned:
            self._has_warned = True
            self._warn(
                EventKind.GRADIENT_STEPS_SKIPPED,
                "a gradient step whose loss or gradients were not finite was skipped; "
                "skipped_steps in the learner's metrics counts them.",
            )
        if not self._learner.status.is_finite and (bad := self._learner.not_finite()):
            self._go_back(f"{named(bad)} became NaN or infinite", superbatch)
        elif steps < WINDOW_STEPS:
            return
        elif self._skips_too_many():
            self._go_back(
                f"{skipped} of the last {steps} gradient steps were not finite, and skipped",
                superbatch,
            )
        else:
            self._is_on_probation = False
            self._begin_window()

    def _go_back(self, problem: str, superbatch: Transition) -> None:
        not_finite = divergence.diagnose(self._learner, superbatch)
        problem = f"Learning has diverged: {problem}. Not finite: {not_finite}."
        checkpoint = learner_checkpoints.recover_newest(self._folder)
        if checkpoint is None or checkpoint == self._went_back_to:
            tried = (
                "There is no checkpoint to go back to."
                if checkpoint is None
                else f"Going back to {checkpoint.path} has not helped."
            )
            raise DivergedError(
                f"{problem} {tried} Try a lower learning_rate or max_gradient_norm=1, and look at "
                "the scale of the rewards."
            )
        self._learner.go_back(checkpoint.learner_prefix)
        self._went_back_to = checkpoint
        self._is_on_probation = True
        self.rollbacks += 1
        self._begin_window()
        self._warn(
            EventKind.ROLLED_BACK,
            f"{problem} Learning continues from {checkpoint.path}; the next time, the run ends.",
            checkpoint=checkpoint.path.name,
            not_finite=not_finite,
        )

    def _begin_window(self) -> None:
        self._start = self._learner.steps, self._learner.skipped_steps

    def _in_window(self) -> tuple[int, int]:
        """The steps of this window, and how many of them were skipped."""
        steps, skipped = self._start
        return self._learner.steps - steps, self._learner.skipped_steps - skipped

    def _skips_too_many(self) -> bool:
        steps, skipped = self._in_window()
        return skipped > MAX_SKIPPED * steps
