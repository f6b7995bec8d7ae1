"""Folders that are written atomically and verified by checksums when they are read."""

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

# Has the checksums of the other files, and so is written last.
CONTENTS = "checkpoint.json"

_NAME = re.compile(r"\d+")
# Appended to the name of a damaged checkpoint, which is then ignored but kept for inspection.
_DAMAGED = ".damaged"
# Bytes that must stay free on the disk besides a checkpoint, for what else the run writes.
_MARGIN_BYTES = 2**24
_BLOCK_BYTES = 2**20

FolderT = TypeVar("FolderT", bound="VerifiedFolder")


class DamagedError(RunError):
    """A checkpoint's files are not what was written.

    Attributes:
        checkpoint: the damaged checkpoint.
        what: what is wrong with it, without advice.
    """

    def __init__(self, checkpoint: VerifiedFolder, how: Exception | str):
        self.checkpoint = checkpoint
        self._how = str(how)
        self.what = f"The checkpoint {checkpoint.path} is damaged ({how})"
        super().__init__(f"{self.what}; remove it to use the one before.")

    def __reduce__(self) -> tuple[Any, ...]:
        """How pickle makes it again; an error's own way calls the class with the message alone."""
        return type(self), (self.checkpoint, self._how)


class NoRoomError(OSError):
    """The disk has no room for a checkpoint."""


@dataclasses.dataclass(frozen=True)
class VerifiedFolder:
    """A folder, named by a number, of files and a JSON file with their SHA-256 checksums.

    Attributes:
        path: the folder's path.
    """

    path: Path

    def contents(self) -> dict[str, Any]:
        """Reads the JSON file.

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
        # A file that cannot be read for another reason may be undamaged, so that error is raised.
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
        """Reads every file and compares its checksum.

        Raises:
            DamagedError: a file is damaged or missing.
        """
        for name in self.contents()["sha256"]:
            try:
                digest = _sha256(self.path / name)
            # ValueError: a name that no file can have.
            except (FileNotFoundError, ValueError) as error:
                raise self.damaged(error) from error
            self._check(name, digest)

    def set_aside(self) -> Path:
        """Renames a damaged folder, so that it is ignored; returns its new path."""
        aside = self.path.with_name(self.path.name + _DAMAGED)
        shutil.rmtree(aside, ignore_errors=True)
        os.replace(self.path, aside)
        return aside

    def damaged(self, error: Exception) -> DamagedError:
        """Makes the error that says what is wrong with this folder."""
        return DamagedError(self, error)

    def _check(self, name: str, digest: str) -> None:
        if self.contents()["sha256"].get(name) != digest:
            raise self.damaged(ValueError(f"{name} is not what was written"))


def write(final: Path, contents: Mapping[str, Any], fill: Callable[[Path], None]) -> None:
    """Writes a folder under a temporary name, flushes it to the disk and renames it.

    If `fill` raises, the temporary folder is removed and the error propagates.

    Args:
        final: the folder's path; its name is a number.
        contents: what its JSON file has besides the checksums.
        fill: writes the files into the folder that it is given.
    """
    folder = final.parent
    remove_temporary(folder)
    temporary = folder / f".{final.name}.{os.getpid()}.tmp"
    temporary.mkdir(parents=True)
    try:
        fill(temporary)
        with_checksums = {
            **contents,
            "sha256": {path.name: _sha256(path) for path in sorted(temporary.iterdir())},
        }
        write_json(
            temporary / CONTENTS, {**with_checksums, "own_sha256": _digest_of(with_checksums)}
        )
        for path in temporary.iterdir():
            _flush_to_disk(path)
        os.replace(temporary, final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _flush_to_disk(folder)


def describe_anew(checkpoint: VerifiedFolder, contents: Mapping[str, Any]) -> None:
    """Replaces what a folder's JSON file has besides the checksums, in one step.

    Raises:
        DamagedError: it is damaged.
        OSError: it cannot be written; it stays as it was.
    """
    described = {**contents, "sha256": checkpoint.contents()["sha256"]}
    write_json(checkpoint.path / CONTENTS, {**described, "own_sha256": _digest_of(described)})
    _flush_to_disk(checkpoint.path / CONTENTS)
    _flush_to_disk(checkpoint.path)


def remove_temporary(folder: Path) -> None:
    """Removes the temporary folders of a `write` into this folder that was killed."""
    for temporary in folder.glob(".*.tmp"):
        shutil.rmtree(temporary, ignore_errors=True)


def check_room(folder: Path, size: int) -> None:
    """Raises `NoRoomError` if the disk has no room for `size` bytes and a margin."""
    free = shutil.disk_usage(folder).free
    if free < size + _MARGIN_BYTES:
        raise NoRoomError(
            f"the disk of {folder} has {free / 1e6:.0f} MB left, and it takes "
            f"{size / 1e6:.0f} MB and {_MARGIN_BYTES / 1e6:.0f} MB to spare"
        )


def paths_in(folder: Path) -> list[Path]:
    """Lists the paths of a folder's checkpoints, the newest last."""
    if not folder.is_dir():
        return []
    paths = [path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(paths, key=lambda path: int(path.name))


def newest_whole(
    checkpoints: Sequence[FolderT],
) -> tuple[FolderT | None, list[DamagedError]]:
    """Finds the newest undamaged checkpoint; changes nothing.

    Args:
        checkpoints: the newest last.

    Returns:
        The checkpoint, or None if all are damaged, and the errors of those newer than it.

    Raises:
        RunError: a checkpoint cannot be read.
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
    """Flushes a file or folder, so that after a power cut it is not there with other contents."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
