"""Checkpoints of the learner: whole or absent, checked when read, the latest few kept."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from launch.counter import COUNTS, LEARNER_STEPS
from launch.errors import RunError
from launch.files import read_json, write_json
from launch.finite import finite_parameters

if TYPE_CHECKING:
    from agents.learner import Learner

KEPT = 2

# Bytes that a checkpoint leaves free on the disk, for all else that the run writes.
_MARGIN_BYTES = 2**24

# Says what the others hold, and so is written last.
_CONTENTS = "checkpoint.json"
_LEARNER = "learner"
_POLICY = "policy.npy"
_NAME = re.compile(r"\d+")
# What a damaged one is called from then on: no checkpoint any more, but there to be looked at.
_DAMAGED = ".damaged"


class DamagedError(RunError):
    """A checkpoint is not what was written: which, and in which way."""

    def __init__(self, checkpoint: Checkpoint, how: Exception):
        self.checkpoint = checkpoint
        self.what = f"The checkpoint {checkpoint.path} is damaged ({how})"
        super().__init__(f"{self.what}; remove it to use the one before.")


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """One checkpoint: a folder named by the number of learner steps.

    It holds the learner whole, the policy's parameters alone (all that acting needs), the counts
    of the run when it was made, and the SHA-256 of each file.
    """

    path: Path

    @property
    def learner_prefix(self) -> str:
        """What `Learner.restore` reads."""
        return str(self.path / _LEARNER)

    def counts(self) -> dict[str, Any]:
        """The counts of the run when the checkpoint was made.

        Raises:
            DamagedError: the file that says so is missing or damaged.
        """
        return dict(self._contents()["counts"])

    def policy_parameters(self) -> np.ndarray:
        """The policy's variables as one vector, float32 [P].

        Raises:
            DamagedError: the file is missing or damaged.
        """
        data = self._read(_POLICY, self._contents()["sha256"])
        try:
            return np.load(io.BytesIO(data), allow_pickle=False)
        except ValueError as error:
            raise self._damaged(error) from error

    def verify(self) -> None:
        """Reads every file and checks that it is what was written.

        Raises:
            DamagedError: one is not, or is missing.
        """
        digests = self._contents()["sha256"]
        for name in digests:
            self._read(name, digests)

    def set_aside(self) -> Path:
        """Renames a damaged checkpoint, so that the one before is the newest; returns the path."""
        aside = self.path.with_name(self.path.name + _DAMAGED)
        shutil.rmtree(aside, ignore_errors=True)
        os.replace(self.path, aside)
        return aside

    def _contents(self) -> dict[str, Any]:
        try:
            contents = dict(read_json(self.path / _CONTENTS))
            if contents.pop("own_sha256") != _digest_of(contents):
                raise ValueError(f"{_CONTENTS} is not what was written")
        # What cannot be read for another reason may well be whole.
        except (FileNotFoundError, ValueError, TypeError, KeyError) as error:
            raise self._damaged(error) from error
        return contents

    def _read(self, name: str, digests: Mapping[str, str]) -> bytes:
        try:
            data = (self.path / name).read_bytes()
        except FileNotFoundError as error:
            raise self._damaged(error) from error
        if hashlib.sha256(data).hexdigest() != digests[name]:
            raise self._damaged(ValueError(f"{name} is not what was written"))
        return data

    def _damaged(self, error: Exception) -> DamagedError:
        return DamagedError(self, error)


def save(folder: Path, learner: Learner, counts: Mapping[str, int]) -> Checkpoint:
    """Writes a checkpoint, then removes all but the latest `KEPT`.

    Args:
        folder: of the run's checkpoints.
        learner: what to save.
        counts: of the run.

    Raises:
        NonFiniteError: a variable of the learner is NaN or infinite; nothing is written or removed.
        OSError: it cannot be written, for a full disk say; nothing is left of it, and what there
            was before stays.
    """
    parameters = finite_parameters(learner)
    steps = learner.steps
    final = Checkpoint(folder / f"{steps:012d}")
    for cut_off in folder.glob(".*.tmp"):
        shutil.rmtree(cut_off)
    if not final.path.exists():
        temporary = folder / f".{final.path.name}.{os.getpid()}.tmp"
        temporary.mkdir(parents=True)
        try:
            _check_room(folder, learner.num_bytes + parameters.nbytes)
            _write(temporary, learner, parameters, {**counts, LEARNER_STEPS: steps})
            os.replace(temporary, final.path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _flush_to_disk(folder)
    for old in all_of(folder)[:-KEPT]:
        shutil.rmtree(old.path)
    return final


def _write(
    folder: Path, learner: Learner, parameters: np.ndarray, counts: Mapping[str, int]
) -> None:
    """Writes a checkpoint's files into an empty folder, and has the disk take them."""
    learner.save(str(folder / _LEARNER))
    buffer = io.BytesIO()
    np.save(buffer, parameters, allow_pickle=False)
    (folder / _POLICY).write_bytes(buffer.getvalue())
    digests = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
    }
    contents = {"counts": counts, "sha256": digests}
    write_json(folder / _CONTENTS, {**contents, "own_sha256": _digest_of(contents)})
    for path in folder.iterdir():
        _flush_to_disk(path)


def _check_room(folder: Path, size: int) -> None:
    """Raises `OSError` where the disk has less room than for `size` bytes and a margin."""
    free = shutil.disk_usage(folder).free
    if free < size + _MARGIN_BYTES:
        raise OSError(
            errno.ENOSPC,
            f"the disk has {free / 1e6:.0f} MB left, and {(size + _MARGIN_BYTES) / 1e6:.0f} MB "
            "are needed",
        )


def start_of(folder: Path) -> tuple[Checkpoint | None, dict[str, int]]:
    """What a run begins from: its newest checkpoint, if there is one, and the counts at that.

    Raises:
        DamagedError: that checkpoint is damaged.
    """
    checkpoints = all_of(folder)
    checkpoint = checkpoints[-1] if checkpoints else None
    return checkpoint, counts_at(checkpoint)


def counts_at(checkpoint: Checkpoint | None) -> dict[str, int]:
    """A run's counts of every kind at a checkpoint, or at its beginning if that is None.

    Raises:
        DamagedError: the checkpoint does not say.
    """
    counts = {} if checkpoint is None else checkpoint.counts()
    return {kind: int(counts.get(kind, 0)) for kind in COUNTS}


def newest_whole(folder: Path) -> tuple[Checkpoint | None, list[DamagedError]]:
    """The newest checkpoint whose every file is what was written; it changes nothing.

    Returns:
        The checkpoint, or None if there are none at all; what is wrong with those newer than it.

    Raises:
        RunError: there are checkpoints, and none of them is whole, or one cannot be read.
    """
    damaged: list[DamagedError] = []
    for checkpoint in reversed(all_of(folder)):
        try:
            checkpoint.verify()
            return checkpoint, damaged
        except DamagedError as error:
            damaged.append(error)
        except OSError as error:
            raise RunError(f"The checkpoint {checkpoint.path} cannot be read: {error}.") from error
    if damaged:
        raise RunError(
            f"None of the checkpoints in {folder} is whole; {damaged[0].what}. Start another run, "
            "or remove them to have this one begin anew."
        )
    return None, []


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


def all_of(folder: Path) -> list[Checkpoint]:
    """All checkpoints, the newest last."""
    if not folder.is_dir():
        return []
    paths = [path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.is_dir()]
    return [Checkpoint(path) for path in sorted(paths, key=lambda path: int(path.name))]


def _digest_of(contents: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()


def _flush_to_disk(path: Path) -> None:
    """Without this, a machine that loses power may keep a name and lose what it stands for."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
