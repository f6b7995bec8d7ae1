"""Locks folders, so that one process at a time works in each."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from quinoa.launch.errors import ExperimentError

_POLL_S = 0.2


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


def wait_until_free(folder: Path, timeout_s: float) -> bool:
    """Waits until no other process has locked a folder; returns whether that came to be."""
    deadline = time.monotonic() + timeout_s
    while True:
        with contextlib.suppress(ExperimentError), locked(folder, "in use"):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
