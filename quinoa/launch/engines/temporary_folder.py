"""A folder for what a run needs while it lasts, that is gone afterwards however that ended."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "quinoa-run-"
# The file in it that its process holds a lock on, and by which it is known for what it is.
_LOCK = ".quinoa-lock"


@contextlib.contextmanager
def made() -> Iterator[str]:
    """Makes a folder, and removes it at the end of the context.

    A process that is killed removes nothing. So whoever makes one first removes those of this user
    that nobody uses any more: the kernel lets go of a lock with the process that held it.

    Yields:
        The folder's path.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        _remove_if_left(left)
    # It gets its name once it is locked, or somebody else could take it for one that was left.
    nameless = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}"))
    folder = nameless.with_name(nameless.name[1:])
    descriptor = os.open(nameless / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with contextlib.suppress(OSError):  # A file system without locks.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.replace(nameless, folder)
        yield str(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


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
