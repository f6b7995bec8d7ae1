"""Checkpoints of the replay's contents, written at intervals and at the end; the last two are kept.

A checkpoint has each transition once, and so has a replay that is restored from it. The replay's
checkpoint may be older or newer than the learner's:

* Older, if only the replay server was restarted: the transitions inserted since are lost. Its
  counts of insertions and samples are restored with it and both lack the same stretch, so the ratio
  of updates to transitions holds for what follows.
* Newer, if a killed run resumes from the learner's last checkpoint: the replay has transitions from
  after that checkpoint, which are learned from like others. The run's counts and curves go back to
  the learner's checkpoint, and the actors take those steps again with new random numbers. So no
  transition is in replay twice, and no step is counted twice.
"""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from quinoa.agents.config import LearnerConfig, OffPolicyConfig
from quinoa.config import parsing
from quinoa.launch.checkpoints import checkpoint_folder
from quinoa.launch.checkpoints.checkpoint_folder import DamagedError
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import Experiment
from quinoa.launch.run import events, node_warnings
from quinoa.launch.run.events import EventKind
from quinoa.launch.run.roles import Role, node_name
from quinoa.launch.run.run_folder import RunFolder

KEPT = 2
# The formats of a checkpoint: Reverb's own files, or the rows of a `MemoryReplay`.
REVERB_FORMAT = "reverb"
ROWS_FORMAT = "rows"

# What an agent says of its replay, besides what every agent says.
_OF_EVERY_AGENT = {field.name for field in dataclasses.fields(LearnerConfig)}
_REPLAY_FIELDS = [
    field.name for field in dataclasses.fields(OffPolicyConfig) if field.name not in _OF_EVERY_AGENT
]

# The name of the replay's node in events; a run has one.
_NODE = node_name(Role.REPLAY)


@dataclasses.dataclass(frozen=True)
class ReplayCheckpoint(checkpoint_folder.VerifiedFolder):
    """The replay's contents at one time."""

    @property
    def transitions(self) -> int:
        """The number of transitions, at most; raises `DamagedError`."""
        return int(self._of(int, "transitions"))

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that it was written with, see `_identity`; raises `DamagedError`."""
        return dict(self._of(dict, "of"))

    def _of(self, kind: type, name: str) -> Any:
        value = self.contents().get(name)
        if not isinstance(value, kind):
            raise self.damaged(ValueError(f"{checkpoint_folder.CONTENTS} has no {name}"))
        return value


def all_of(folder: RunFolder) -> list[ReplayCheckpoint]:
    """Lists the checkpoints of a run's replay, the newest last."""
    return [ReplayCheckpoint(path) for path in checkpoint_folder.paths_in(folder.replay)]


def newest_whole(folder: RunFolder) -> tuple[ReplayCheckpoint | None, list[DamagedError]]:
    """See `checkpoint_folder.newest_whole`."""
    return checkpoint_folder.newest_whole(all_of(folder))


def recover_newest(folder: RunFolder) -> ReplayCheckpoint | None:
    """Finds the newest undamaged checkpoint for a replay that starts, or None.

    Damaged ones that are newer are set aside, with a warning each.
    """
    remove_temporary(folder)
    checkpoint, damaged = newest_whole(folder)
    for error in damaged:
        aside = error.checkpoint.set_aside()
        text = f"{error.what}; it is kept as {aside}, and replay is restored from the one before."
        node_warnings.of(folder.events, _NODE)(EventKind.REPLAY_DAMAGED, text)
    if checkpoint is not None:
        transitions = checkpoint.transitions
        events.append(folder.events, EventKind.REPLAY_RESTORED, _NODE, transitions=transitions)
    return checkpoint


def remove_temporary(folder: RunFolder) -> None:
    """Removes the partly written checkpoint of a process that was killed."""
    if folder.replay.is_dir():
        checkpoint_folder.remove_temporary(folder.replay)


def check_fits(checkpoint: ReplayCheckpoint, experiment: Experiment, form: str) -> None:
    """Checks that an experiment's replay can be restored from a checkpoint.

    Args:
        checkpoint: an undamaged checkpoint.
        experiment: the experiment that is resumed.
        form: the format that its replay reads.

    Raises:
        ExperimentError: it cannot; the message says which setting differs.
    """
    # Of a time before there were some of the settings it says what the code did without them.
    written = {**parsing.absent_values(type(experiment.config)), **checkpoint.identity}
    for name, value in _identity(experiment, form).items():
        if written.get(name) != value:
            raise ExperimentError(
                f"The replay checkpoint was written with {name} = {written.get(name)!r} (here "
                f"{value!r}): leave --resume_replay out, and replay starts empty."
            )


class ReplaySaver:
    """Writes checkpoints of a replay at intervals, as long as the disk has room."""

    def __init__(self, folder: RunFolder, experiment: Experiment, form: str):
        """Writes nothing yet.

        Args:
            folder: the run's folder.
            experiment: the run's experiment.
            form: the format of the checkpoints.
        """
        self._folder = folder
        self._period_s = experiment.replay_checkpoint_period_s
        self._identity = _identity(experiment, form)
        self._last = time.monotonic()
        self._last_amounts = 0, 0
        self._is_failing = False

    @property
    def is_on(self) -> bool:
        """Whether the experiment asks for checkpoints of replay."""
        return self._period_s > 0

    @property
    def is_due(self) -> bool:
        """Whether the next checkpoint is due."""
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

        If writing fails, on a full disk say, there is one warning until it works again.

        Args:
            inserted: the number of insertions so far. Nothing is written if this and `sampled` are
                the same as at the last checkpoint.
            sampled: the number of samples so far.
            transitions: the number of transitions in the replay, at most.
            size: about how many bytes the files take.
            fill: writes the files into the folder that it is given.

        Returns:
            Whether the replay's present contents are in a checkpoint.
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
                # One that is still read, say, goes with the next.
                shutil.rmtree(old, ignore_errors=True)
        except OSError as error:
            self._fail(error)
            return False
        finally:
            self._last = time.monotonic()
        self._last_amounts = inserted, sampled
        self._is_failing = False
        events.append(
            self._folder.events,
            EventKind.REPLAY_SAVED,
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
        node_warnings.of(self._folder.events, _NODE)(EventKind.REPLAY_NOT_SAVED, text)


def _identity(experiment: Experiment, form: str) -> dict[str, Any]:
    """The settings in which a replay must agree with the checkpoint that it is restored from."""
    config = experiment.learner_config
    return {
        "form": form,
        "environment": experiment.environment,
        # Absent without arguments, as in checkpoints from before there were arguments.
        **({"env_kwargs": dict(experiment.env_kwargs)} if experiment.env_kwargs else {}),
        "action_repeat": experiment.action_repeat,
        # Reverb restores its rate limits, which follow from these, from the checkpoint.
        "steps_per_call": experiment.steps_per_call,
        "batch_size": config.batch_size,
        # None in checkpoints from before there were demonstrations, too.
        "demonstration_share": experiment.demonstration_share
        if experiment.demonstrations
        else None,
        **{name: getattr(config, name) for name in _REPLAY_FIELDS if hasattr(config, name)},
    }
