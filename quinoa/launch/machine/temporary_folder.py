"""Temporary folders of runs, which are removed even if the run was killed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from quinoa.launch.errors import ExperimentError

_PREFIX = "quinoa-run-"
# A file in the folder, locked by the process that made it; it marks the folder as ours.
_LOCK = ".quinoa-lock"
# More than TensorFlow writes while tracing, plus the files that a run's nodes read at their start.
_ROOM_BYTES = 2**20


@contextlib.contextmanager
def create() -> Iterator[str]:
    """Creates a folder, and removes it at the end of the context.

    A process that is killed cannot remove its folder. So this first removes the user's other such
    folders that are not locked: the kernel releases a lock when the process that has it ends.

    Yields:
        The folder's path.

    Raises:
        ExperimentError: the folder cannot be created.
    """
    with explaining_errors():
        for other in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            _remove_if_unused(other)
        # Gets its final name once it is locked, or another process could remove it as unused.
        unnamed = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}"))
        folder = unnamed.with_name(unnamed.name[1:])
        try:
            descriptor = os.open(unnamed / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            # systemd removes what is old from folders that are not locked themselves.
            whole = os.open(unnamed, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            for each in (descriptor, whole):
                with contextlib.suppress(OSError):  # The file system has no locks.
                    fcntl.flock(each, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.replace(unnamed, folder)
        except OSError:
            shutil.rmtree(unnamed, ignore_errors=True)
            raise
    try:
        yield str(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)
        os.close(whole)


def require_room() -> None:
    """Checks that there is room for temporary files.

    Raises:
        ExperimentError: there is no room, or the folder is not writable.
    """
    with create() as folder, explaining_errors(), Path(folder, "room").open("wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, _ROOM_BYTES)
        except OSError as error:
            # Other errors: the file system cannot reserve space.
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise


def why_unusable() -> str | None:
    """The error message of `require_room`, or None."""
    try:
        require_room()
    except ExperimentError as error:
        return str(error)
    return None


@contextlib.contextmanager
def explaining_errors() -> Iterator[None]:
    """Turns an `OSError` within the context into an error that names the temporary folder.

    Raises:
        ExperimentError: instead of the `OSError`.
    """
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        try:
            what = f"The temporary folder {tempfile.gettempdir()} cannot be used ({why})"
        except OSError:
            what = f"There is no temporary folder that can be written to ({why})"
        raise ExperimentError(
            f"{what}: make room there, or set TMPDIR to another folder."
        ) from error


def _remove_if_unused(folder: Path) -> None:
    """Removes a folder if it is this user's and no process has it locked; ignores errors."""
    with contextlib.suppress(OSError):
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(descriptor)
