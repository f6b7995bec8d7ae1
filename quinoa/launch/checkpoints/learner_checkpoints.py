"""Checkpoints of the learner: whole or absent, checked when read, the latest few kept."""

from __future__ import annotations

import dataclasses
import functools
import io
import shutil
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from quinoa.agents.types import NonFiniteError, named
from quinoa.launch.checkpoints import checkpoint_folder
from quinoa.launch.checkpoints.checkpoint_folder import DamagedError
from quinoa.launch.errors import RunError
from quinoa.launch.run.counts import Counts

KEPT = 2
# How many checkpoints an error lists: the nearest to the one that was asked for.
_NAMED = 5

_LEARNER = "learner"
_POLICY = "policy.npy"


@dataclasses.dataclass(frozen=True)
class Checkpoint(checkpoint_folder.VerifiedFolder):
    """A checkpoint: a folder named by the number of learner steps.

    It has the learner's whole state, the policy's parameters by themselves (all that acting needs)
    or their average, where evaluations have that, the run's counts at that time, and the checksum
    of each file.
    """

    @property
    def learner_prefix(self) -> str:
        """The path prefix that `Learner.restore` takes."""
        return str(self.path / _LEARNER)

    def counts(self) -> Counts:
        """The run's counts at the time of the checkpoint, from its file the first time.

        Raises:
            DamagedError: the file with them is missing or damaged.
        """
        return self._counts

    @functools.cached_property
    def _counts(self) -> Counts:
        try:
            return Counts.from_json(self.contents()["counts"])
        except (KeyError, AttributeError, TypeError, ValueError, OverflowError) as error:
            raise self.damaged(error) from error

    def policy_parameters(self) -> npt.NDArray[Any]:
        """Reads the policy's variables as one vector, float32 [P].

        Of an agent that learns from demonstrations alone, these are its weights, float64 [P].

        Raises:
            DamagedError: the file is missing or damaged.
        """
        data = self.read(_POLICY)
        try:
            parameters: npt.NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
        except ValueError as error:
            raise self.damaged(error) from error
        return parameters


class SavedLearner(Protocol):
    """What a checkpoint is made of: a `Learner`, or a `DemonstrationAgent`."""

    @property
    def steps(self) -> int:
        """Gradient steps done."""

    @property
    def num_bytes(self) -> int:
        """The size of what `save` writes, about."""

    def not_finite(self) -> list[str]:
        """Names what has NaN or an infinity in it."""

    def evaluation_parameters(self) -> npt.NDArray[Any]:
        """All that acting or predicting needs, [P]."""

    def save(self, path: str) -> str:
        """Writes the whole state to files `path`.*; raises `OSError`."""


def save(folder: Path, learner: SavedLearner, counts: Counts) -> Checkpoint:
    """Writes a checkpoint, then removes all but the latest `KEPT`.

    Args:
        folder: the folder of the run's checkpoints.
        learner: the learner to save.
        counts: the run's counts; its learner steps are those of `learner`.

    Raises:
        NonFiniteError: a variable of the learner is NaN or infinite. Nothing is changed on disk.
        OSError: the checkpoint cannot be written, on a full disk say. Nothing of it is left, and
            the earlier ones stay.
    """
    if bad := learner.not_finite():
        raise NonFiniteError(f"Not finite: {named(bad)}.")
    parameters = learner.evaluation_parameters()
    steps = learner.steps
    final = Checkpoint(folder / f"{steps:012d}")

    def fill(temporary: Path) -> None:
        checkpoint_folder.check_room(folder, learner.num_bytes + parameters.nbytes)
        learner.save(str(temporary / _LEARNER))
        with (temporary / _POLICY).open("wb") as file:
            np.save(file, parameters, allow_pickle=False)

    described = {"counts": dataclasses.replace(counts, learner_steps=steps).to_json()}
    if not final.path.exists():
        checkpoint_folder.write(final.path, described, fill)
    elif final.contents().get("counts") != described["counts"]:
        # Actors have gone on since, and the learner has not.
        checkpoint_folder.describe_anew(final, described)
    for old in all_of(folder)[:-KEPT]:
        # One that a process of another host still reads, say, goes with the next.
        shutil.rmtree(old.path, ignore_errors=True)
    return final


def newest_with_counts(folder: Path) -> tuple[Checkpoint | None, Counts]:
    """The newest checkpoint, or None, and the run's counts at it, or zeros.

    Raises:
        DamagedError: that checkpoint is damaged.
    """
    checkpoints = all_of(folder)
    checkpoint = checkpoints[-1] if checkpoints else None
    return checkpoint, counts_at(checkpoint)


def counts_at(checkpoint: Checkpoint | None) -> Counts:
    """A run's counts at a checkpoint; zeros without one.

    Raises:
        DamagedError: the checkpoint's counts are missing or damaged.
    """
    return Counts() if checkpoint is None else checkpoint.counts()


def newest_whole(folder: Path) -> tuple[Checkpoint | None, list[DamagedError]]:
    """Finds the newest undamaged checkpoint; changes nothing.

    Returns:
        The checkpoint, or None if there are none at all, and the errors of those newer than it.

    Raises:
        RunError: all checkpoints are damaged, or one cannot be read.
    """
    whole, damaged = checkpoint_folder.newest_whole(all_of(folder))
    if whole is None and damaged:
        raise RunError(
            f"None of the checkpoints in {folder} is whole; {damaged[0].what}. Start another run, "
            "or remove them to have this one begin anew."
        )
    return whole, damaged


def recover_newest(folder: Path) -> Checkpoint | None:
    """Finds the newest undamaged checkpoint, and sets damaged ones that are newer aside.

    Raises:
        RunError: see `newest_whole`.
    """
    checkpoint, damaged = newest_whole(folder)
    for error in damaged:
        error.checkpoint.set_aside()
    return checkpoint


def newest(folder: Path) -> Checkpoint:
    """The newest checkpoint, unverified.

    Raises:
        RunError: there is none.
    """
    checkpoints = all_of(folder)
    if not checkpoints:
        raise RunError(f"There is no checkpoint in {folder}: the run ended before its first one.")
    return checkpoints[-1]


def chosen(folder: Path, learner_steps: int | None) -> tuple[Checkpoint, list[DamagedError]]:
    """Finds and verifies the checkpoint that a user asks for, and reads its counts.

    A run that goes on may remove it while its policy plays episodes.

    Args:
        folder: the folder of the run's checkpoints.
        learner_steps: the checkpoint's learner steps; None is the newest undamaged one.

    Returns:
        The checkpoint, and the errors of damaged newer ones that were passed over.

    Raises:
        RunError: there is no such checkpoint (the message lists the nearest), or it is damaged.
    """
    if learner_steps is None:
        whole, damaged = newest_whole(folder)
        checkpoint = whole or newest(folder)
        checkpoint.counts()
        return checkpoint, damaged
    newest(folder)  # Raises if there are none.
    steps_of = {int(checkpoint.path.name): checkpoint for checkpoint in all_of(folder)}
    if learner_steps not in steps_of:
        near = sorted(steps_of, key=lambda steps: abs(steps - learner_steps))[:_NAMED]
        raise RunError(
            f"There is no checkpoint of {learner_steps} learner steps in {folder}: it has "
            f"{', '.join(map(str, sorted(near)))}."
        )
    checkpoint = steps_of[learner_steps]
    checkpoint.verify()
    checkpoint.counts()
    return checkpoint, []


def all_of(folder: Path) -> list[Checkpoint]:
    """All checkpoints, the newest last."""
    return [Checkpoint(path) for path in checkpoint_folder.paths_in(folder)]
