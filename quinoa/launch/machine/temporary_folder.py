"""A folder for what a run needs while it lasts, that is gone afterwards however that ended."""

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
# The file in it that its process holds a lock on, and by which it is known for what it is.
_LOCK = ".quinoa-lock"
# More than what TensorFlow writes as it traces, and what a run's nodes are to find as they start.
_ROOM_BYTES = 2**20


@contextlib.contextmanager
def made() -> Iterator[str]:
    """Makes a folder, and removes it at the end of the context.

    A process that is killed removes nothing. So whoever makes one first removes those of this user
    that nobody uses any more: the kernel lets go of a lock with the process that held it.

    Yields:
        The folder's path.

    Raises:
        ExperimentError: it cannot be made.
    """
    with explained():
        for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            _remove_if_left(left)
        # It gets its name once it is locked, or somebody else could take it for one that was left.
        nameless = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}"))
        folder = nameless.with_name(nameless.name[1:])
        try:
            descriptor = os.open(nameless / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with contextlib.suppress(OSError):  # A file system without locks.
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.replace(nameless, folder)
        except OSError:
            shutil.rmtree(nameless, ignore_errors=True)
            raise
    try:
        yield str(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def require_room() -> None:
    """Finds out, before anything is started, whether there is room for temporary files.

    Raises:
        ExperimentError: there is not, or the folder cannot be written to.
    """
    with made() as folder, explained(), Path(folder, "room").open("wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, _ROOM_BYTES)
        except OSError as error:
            # Not every file system can set room aside.
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise


def why_unusable() -> str | None:
    """What `require_room` would say; None where there is room."""
    try:
        require_room()
    except ExperimentError as error:
        return str(error)
    return None


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Has errors of files that are written to the temporary folder say which that is.

    Raises:
        ExperimentError: in place of an `OSError`.
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


def _remove_if_left(folder: Path) -> None:
    """Removes a folder of this user's that no process holds; any trouble with it is no matter."""
    with contextlib.suppress(OSError):
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(descriptor)
