"""Folders that are there whole or not at all, and that are checked when they are read."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from quinoa.launch.errors import RunError
from quinoa.launch.storage.files import read_json, write_json

# Says what the others hold, and so is written last.
CONTENTS = "checkpoint.json"

_NAME = re.compile(r"\d+")
# What a damaged one is called from then on: no checkpoint any more, but there to be looked at.
_DAMAGED = ".damaged"
# Bytes that are left free beside what is written, for all else that the run writes.
_MARGIN_BYTES = 2**24
_BLOCK_BYTES = 2**20

SealedT = TypeVar("SealedT", bound="Sealed")


class DamagedError(RunError):
    """A checkpoint is not what was written: which, and in which way."""

    def __init__(self, checkpoint: Sealed, how: Exception):
        self.checkpoint = checkpoint
        self.what = f"The checkpoint {checkpoint.path} is damaged ({how})"
        super().__init__(f"{self.what}; remove it to use the one before.")


class NoRoomError(OSError):
    """The disk has no room for what is to be written."""


@dataclasses.dataclass(frozen=True)
class Sealed:
    """One such folder, named by a number: its files, and a JSON object that says their SHA-256."""

    path: Path

    def contents(self) -> dict[str, Any]:
        """The JSON object, as it was written.

        Raises:
            DamagedError: it is missing or damaged.
        """
        try:
            contents = dict(read_json(self.path / CONTENTS))
            if contents.pop("own_sha256") != _digest_of(contents):
                raise ValueError(f"{CONTENTS} is not what was written")
            names = contents["sha256"]
            if not isinstance(names, dict) or any(Path(name).name != name for name in names):
                raise ValueError(f"{CONTENTS} does not say what its files are")
        # What cannot be read for another reason may well be whole.
        except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise self.damaged(error) from error
        return contents

    def read(self, name: str) -> bytes:
        """Reads one file.

        Raises:
            DamagedError: it is missing or damaged.
        """
        try:
            data = (self.path / name).read_bytes()
        except FileNotFoundError as error:
            raise self.damaged(error) from error
        self._check(name, hashlib.sha256(data).hexdigest())
        return data

    def verify(self) -> None:
        """Reads every file and checks that it is what was written.

        Raises:
            DamagedError: one is not, or is missing.
        """
        for name in self.contents()["sha256"]:
            try:
                digest = _sha256(self.path / name)
            # A name that no file can have is a ValueError.
            except (FileNotFoundError, ValueError) as error:
                raise self.damaged(error) from error
            self._check(name, digest)

    def set_aside(self) -> Path:
        """Renames a damaged one, so that the one before is the newest; returns the path."""
        aside = self.path.with_name(self.path.name + _DAMAGED)
        shutil.rmtree(aside, ignore_errors=True)
        os.replace(self.path, aside)
        return aside

    def damaged(self, error: Exception) -> DamagedError:
        """The error to raise for what is wrong with it."""
        return DamagedError(self, error)

    def _check(self, name: str, digest: str) -> None:
        if self.contents()["sha256"].get(name) != digest:
            raise self.damaged(ValueError(f"{name} is not what was written"))


def write(final: Path, contents: Mapping[str, Any], fill: Callable[[Path], None]) -> None:
    """Writes a folder beside its place and renames it, flushed to the disk.

    Args:
        final: its path; a number is its name.
        contents: what its JSON object is to say besides the SHA-256 of its files.
        fill: writes its files into the folder that it is given.

    Whatever that raises is raised, and then nothing is left of it.
    """
    folder = final.parent
    remove_cut_off(folder)
    temporary = folder / f".{final.name}.{os.getpid()}.tmp"
    temporary.mkdir(parents=True)
    try:
        fill(temporary)
        sealed = {
            **contents,
            "sha256": {path.name: _sha256(path) for path in sorted(temporary.iterdir())},
        }
        write_json(temporary / CONTENTS, {**sealed, "own_sha256": _digest_of(sealed)})
        for path in temporary.iterdir():
            _flush_to_disk(path)
        os.replace(temporary, final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _flush_to_disk(folder)


def remove_cut_off(folder: Path) -> None:
    """Removes what a `write` to this folder left that was killed."""
    for cut_off in folder.glob(".*.tmp"):
        shutil.rmtree(cut_off, ignore_errors=True)


def check_room(folder: Path, size: int) -> None:
    """Raises `NoRoomError` where the disk has less room than for `size` bytes and a margin."""
    free = shutil.disk_usage(folder).free
    if free < size + _MARGIN_BYTES:
        raise NoRoomError(
            f"the disk of {folder} has {free / 1e6:.0f} MB left, and it takes "
            f"{size / 1e6:.0f} MB and {_MARGIN_BYTES / 1e6:.0f} MB to spare"
        )


def paths_in(folder: Path) -> list[Path]:
    """The paths of a folder's checkpoints, the newest last."""
    if not folder.is_dir():
        return []
    paths = [path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(paths, key=lambda path: int(path.name))


def newest_whole(
    checkpoints: Sequence[SealedT],
) -> tuple[SealedT | None, list[DamagedError]]:
    """The newest whose every file is what was written; it changes nothing.

    Args:
        checkpoints: the newest last.

    Returns:
        It, or None if none is; what is wrong with those newer than it.

    Raises:
        RunError: one cannot be read.
    """
    damaged: list[DamagedError] = []
    for checkpoint in reversed(checkpoints):
        try:
            checkpoint.verify()
            return checkpoint, damaged
        except DamagedError as error:
            damaged.append(error)
        except OSError as error:
            raise RunError(f"The checkpoint {checkpoint.path} cannot be read: {error}.") from error
    return None, damaged


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _digest_of(contents: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()


def _flush_to_disk(path: Path) -> None:
    """Without this, a machine that loses power may keep a name and lose what it stands for."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
