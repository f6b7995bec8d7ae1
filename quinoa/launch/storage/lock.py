"""Folders that one process at a time works in."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from quinoa.launch.errors import ExperimentError


@contextlib.contextmanager
def held(folder: Path, in_use: str) -> Iterator[None]:
    """Keeps others that ask for the same from a folder.

    The kernel lets go of it when this process is gone, however it went.

    Args:
        folder: which exists.
        in_use: what to say where another process holds it.

    Raises:
        ExperimentError: another does.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ExperimentError(in_use) from error
        except OSError:
            # A file system without locks.
            pass
        yield
    finally:
        os.close(descriptor)
