"""Checkpoints of the learner: whole or absent, checked when read, the latest few kept."""

from __future__ import annotations

import dataclasses
import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from quinoa.launch.checkpoints import checkpoint_folder
from quinoa.launch.checkpoints.checkpoint_folder import DamagedError
from quinoa.launch.errors import RunError
from quinoa.launch.run.counts import Counts

if TYPE_CHECKING:
    from quinoa.agents.learner import Learner

KEPT = 2
# Checkpoints that an error names, the nearest to what was asked for.
_NAMED = 5

_LEARNER = "learner"
_POLICY = "policy.npy"


@dataclasses.dataclass(frozen=True)
class Checkpoint(checkpoint_folder.Sealed):
    """One checkpoint: a folder named by the number of learner steps.

    It holds the learner whole, the policy's parameters alone (all that acting needs), the counts
    of the run when it was made, and the SHA-256 of each file.
    """

    @property
    def learner_prefix(self) -> str:
        """What `Learner.restore` reads."""
        return str(self.path / _LEARNER)

    def counts(self) -> Counts:
        """The counts of the run when the checkpoint was made.

        Raises:
            DamagedError: the file that says so is missing or damaged.
        """
        try:
            return Counts.from_json(self.contents()["counts"])
        except (KeyError, AttributeError, TypeError, ValueError, OverflowError) as error:
            raise self.damaged(error) from error

    def policy_parameters(self) -> npt.NDArray[np.float32]:
        """The policy's variables as one vector, float32 [P].

        Raises:
            DamagedError: the file is missing or damaged.
        """
        data = self.read(_POLICY)
        try:
            parameters: npt.NDArray[np.float32] = np.load(io.BytesIO(data), allow_pickle=False)
        except ValueError as error:
            raise self.damaged(error) from error
        return parameters


def save(folder: Path, learner: Learner, counts: Counts) -> Checkpoint:
    """Writes a checkpoint, then removes all but the latest `KEPT`.

    Args:
        folder: of the run's checkpoints.
        learner: what to save.
        counts: of the run; its learner steps are those of `learner`.

    Raises:
        NonFiniteError: a variable of the learner is NaN or infinite; nothing is written or removed.
        OSError: it cannot be written, for a full disk say; nothing is left of it, and what there
            was before stays.
    """
    # Needs TensorFlow, which those that only look at checkpoints do without.
    from quinoa.agents.divergence import finite_parameters

    parameters = finite_parameters(learner)
    steps = learner.steps
    final = Checkpoint(folder / f"{steps:012d}")

    def fill(temporary: Path) -> None:
        checkpoint_folder.check_room(folder, learner.num_bytes + parameters.nbytes)
        learner.save(str(temporary / _LEARNER))
        with (temporary / _POLICY).open("wb") as file:
            np.save(file, parameters, allow_pickle=False)

    if not final.path.exists():
        counts = dataclasses.replace(counts, learner_steps=steps)
        checkpoint_folder.write(final.path, {"counts": counts.to_json()}, fill)
    for old in all_of(folder)[:-KEPT]:
        shutil.rmtree(old.path)
    return final


def start_of(folder: Path) -> tuple[Checkpoint | None, Counts]:
    """What a run begins from: its newest checkpoint, if there is one, and the counts at that.

    Raises:
        DamagedError: that checkpoint is damaged.
    """
    checkpoints = all_of(folder)
    checkpoint = checkpoints[-1] if checkpoints else None
    return checkpoint, counts_at(checkpoint)


def counts_at(checkpoint: Checkpoint | None) -> Counts:
    """A run's counts at a checkpoint, or at its beginning if that is None.

    Raises:
        DamagedError: the checkpoint does not say.
    """
    return Counts() if checkpoint is None else checkpoint.counts()


def newest_whole(folder: Path) -> tuple[Checkpoint | None, list[DamagedError]]:
    """The newest checkpoint whose every file is what was written; it changes nothing.

    Returns:
        The checkpoint, or None if there are none at all; what is wrong with those newer than it.

    Raises:
        RunError: there are checkpoints, and none of them is whole, or one cannot be read.
    """
    whole, damaged = checkpoint_folder.newest_whole(all_of(folder))
    if whole is None and damaged:
        raise RunError(
            f"None of the checkpoints in {folder} is whole; {damaged[0].what}. Start another run, "
            "or remove them to have this one begin anew."
        )
    return whole, damaged


def take_newest(folder: Path) -> Checkpoint | None:
    """The newest whole checkpoint, None if there are none; sets damaged ones aside that are newer.

    Raises:
        RunError: see `newest_whole`.
    """
    checkpoint, damaged = newest_whole(folder)
    for error in damaged:
        error.checkpoint.set_aside()
    return checkpoint


def newest(folder: Path) -> Checkpoint:
    """The latest checkpoint.

    Raises:
        RunError: there is none.
    """
    checkpoints = all_of(folder)
    if not checkpoints:
        raise RunError(f"There is no checkpoint in {folder}: the run ended before its first one.")
    return checkpoints[-1]


def chosen(folder: Path, learner_steps: int | None) -> tuple[Checkpoint, list[DamagedError]]:
    """The checkpoint to look at: a whole one.

    Args:
        folder: of the run's checkpoints.
        learner_steps: which; None is the newest that is whole.

    Returns:
        The checkpoint; what is wrong with those newer than it, where it is the newest whole one.

    Raises:
        RunError: there is none, or it is damaged; the message names those nearest to it.
    """
    if learner_steps is None:
        whole, damaged = newest_whole(folder)
        return whole or newest(folder), damaged
    # Whichever there are: none at all is the error of `newest`.
    newest(folder)
    steps_of = {int(checkpoint.path.name): checkpoint for checkpoint in all_of(folder)}
    if learner_steps not in steps_of:
        near = sorted(steps_of, key=lambda steps: abs(steps - learner_steps))[:_NAMED]
        raise RunError(
            f"There is no checkpoint of {learner_steps} learner steps in {folder}: it has "
            f"{', '.join(map(str, sorted(near)))}."
        )
    checkpoint = steps_of[learner_steps]
    checkpoint.verify()
    return checkpoint, []


def all_of(folder: Path) -> list[Checkpoint]:
    """All checkpoints, the newest last."""
    return [Checkpoint(path) for path in checkpoint_folder.paths_in(folder)]
