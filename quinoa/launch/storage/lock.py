"""Locks folders, so that one process at a time works in each."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from quinoa.launch.errors import ExperimentError


@contextlib.contextmanager
def locked(folder: Path, in_use: str) -> Iterator[None]:
    """Locks a folder; the kernel releases the lock when this process ends, even if it is killed.

    Args:
        folder: an existing folder.
        in_use: the error's message if another process has locked it.

    Raises:
        ExperimentError: another process has locked it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ExperimentError(in_use) from error
        except OSError:
            # The file system has no locks.
            pass
        yield
    finally:
        os.close(descriptor)
