"""Checkpoints of what replay holds: at intervals and at the end, checked when read, two kept.

A transition is in a checkpoint once, and so it is in replay once when that is taken up. A replay
need not be as old as the learner that goes on with it:

* A replay that is older (its server was started again) lacks what came since its checkpoint. The
  account of insertions and samples that comes back with it lacks both alike, so that the ratio of
  updates to transitions holds for all that come after.
* A replay that is newer (a run that was killed goes on from the learner's last checkpoint) holds
  transitions that came after that. They are learned from like others; the run's counts and curves
  go back to the learner's checkpoint, and the actors, which do not draw again what they have drawn,
  act those steps anew. So no transition is held twice, and no step is counted twice.
"""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from quinoa.launch.checkpoints import checkpoint_folder
from quinoa.launch.checkpoints.checkpoint_folder import DamagedError
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import Experiment
from quinoa.launch.run import events, node_warnings
from quinoa.launch.run.run_folder import RunFolder

KEPT = 2
# What a checkpoint is written in: Reverb's own files, or the rows of a `MemoryReplay`.
REVERB_FORM = "reverb"
ROWS_FORM = "rows"

# The only node of its kind, as events name it.
_NODE = "replay-0"


@dataclasses.dataclass(frozen=True)
class ReplayCheckpoint(checkpoint_folder.Sealed):
    """What replay held at one time, in the form of what wrote it."""

    @property
    def transitions(self) -> int:
        """How many it holds, at most; raises `DamagedError`."""
        return int(self._of(int, "transitions"))

    @property
    def identity(self) -> dict[str, Any]:
        """What it was written for; raises `DamagedError`."""
        return dict(self._of(dict, "of"))

    def _of(self, kind: type, name: str) -> Any:
        value = self.contents().get(name)
        if not isinstance(value, kind):
            raise self.damaged(ValueError(f"{checkpoint_folder.CONTENTS} has no {name}"))
        return value


def all_of(folder: RunFolder) -> list[ReplayCheckpoint]:
    """All checkpoints of a run's replay, the newest last."""
    return [ReplayCheckpoint(path) for path in checkpoint_folder.paths_in(folder.replay)]


def newest_whole(folder: RunFolder) -> tuple[ReplayCheckpoint | None, list[DamagedError]]:
    """See `sealed.newest_whole`."""
    return checkpoint_folder.newest_whole(all_of(folder))


def taken_up(folder: RunFolder) -> ReplayCheckpoint | None:
    """The newest whole checkpoint of a replay that starts, None where there is none.

    Damaged ones that are newer are set aside, with a warning each.
    """
    clean(folder)
    checkpoint, damaged = newest_whole(folder)
    for error in damaged:
        aside = error.checkpoint.set_aside()
        text = f"{error.what}; it is kept as {aside}, and what replay held is taken from before it."
        node_warnings.warn(folder.events, _NODE, "replay_damaged", text)
    if checkpoint is not None:
        transitions = checkpoint.transitions
        events.append(folder.events, "replay_taken_up", _NODE, transitions=transitions)
    return checkpoint


def clean(folder: RunFolder) -> None:
    """Removes what was left of writing a checkpoint by a process that was killed."""
    if folder.replay.is_dir():
        checkpoint_folder.remove_cut_off(folder.replay)


def check_fits(checkpoint: ReplayCheckpoint, experiment: Experiment, form: str) -> None:
    """Checks that an experiment can go on with what a checkpoint holds.

    Args:
        checkpoint: whole.
        experiment: that is to go on.
        form: of the replay that is to take it up.

    Raises:
        ExperimentError: it cannot; the message says why.
    """
    held = checkpoint.identity
    for name, value in _identity(experiment, form).items():
        if held.get(name) != value:
            raise ExperimentError(
                f"What replay held was written with {name} = {held.get(name)!r} (here {value!r}): "
                "leave --resume_replay out, and replay starts empty."
            )


class Saver:
    """Writes checkpoints of a replay at intervals, where the disk has room for them."""

    def __init__(self, folder: RunFolder, experiment: Experiment, form: str):
        """Writes nothing yet.

        Args:
            folder: of the run.
            experiment: what is run.
            form: of the files that will be written.
        """
        self._folder = folder
        self._period_s = experiment.replay_checkpoint_period_s
        self._identity = _identity(experiment, form)
        self._last = time.monotonic()
        self._last_amounts = 0, 0
        self._is_failing = False

    @property
    def is_on(self) -> bool:
        """Whether there are to be checkpoints at all."""
        return self._period_s > 0

    @property
    def is_due(self) -> bool:
        """Whether it is time for the next."""
        return self.is_on and time.monotonic() - self._last >= self._period_s

    def save(
        self,
        *,
        inserted: int,
        sampled: int,
        transitions: int,
        size: int,
        fill: Callable[[Path], None],
    ) -> bool:
        """Writes a checkpoint, then removes all but the latest `KEPT`.

        Where that fails, for a full disk say, there is one warning until it works again.

        Args:
            inserted: what was ever inserted; a replay where that and `sampled` are as they were
                the last time is not written again.
            sampled: what was ever sampled.
            transitions: that it holds, at most.
            size: bytes that the files take, about.
            fill: writes them into the folder that it is given.

        Returns:
            Whether it is written, or was already.
        """
        if (inserted, sampled) == self._last_amounts:
            return True
        started = time.monotonic()
        try:
            self._folder.replay.mkdir(exist_ok=True)
            checkpoint_folder.check_room(self._folder.replay, size)
            found = checkpoint_folder.paths_in(self._folder.replay)
            number = int(found[-1].name) + 1 if found else 1
            final = self._folder.replay / f"{number:06d}"
            checkpoint_folder.write(final, {"transitions": transitions, "of": self._identity}, fill)
            for old in checkpoint_folder.paths_in(self._folder.replay)[:-KEPT]:
                shutil.rmtree(old)
        except OSError as error:
            self._fail(error)
            return False
        finally:
            self._last = time.monotonic()
        self._last_amounts = inserted, sampled
        self._is_failing = False
        events.append(
            self._folder.events,
            "replay_saved",
            _NODE,
            transitions=transitions,
            seconds=round(self._last - started, 3),
            bytes=sum(path.stat().st_size for path in final.iterdir()),
        )
        return True

    def _fail(self, error: OSError) -> None:
        if self._is_failing:
            return
        self._is_failing = True
        text = f"what replay holds is not saved for now: {error}."
        node_warnings.warn(self._folder.events, _NODE, "replay_not_saved", text)


def _identity(experiment: Experiment, form: str) -> dict[str, Any]:
    """All that must be the same where a checkpoint is taken up as where it was written."""
    config = experiment.config
    return {
        "form": form,
        "environment": experiment.environment,
        # Those of runs of before had no arguments, and say nothing of them.
        **({"env_kwargs": dict(experiment.env_kwargs)} if experiment.env_kwargs else {}),
        "action_repeat": experiment.action_repeat,
        # Reverb has the limits on how fast each side may go from its checkpoint.
        "steps_per_call": experiment.steps_per_call,
        "batch_size": config.batch_size,
        "samples_per_insert": config.samples_per_insert,
        "segment_length": config.segment_length,
        "min_replay_size": config.min_replay_size,
        "max_replay_size": config.max_replay_size,
    }
