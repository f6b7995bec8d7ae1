"""Disks that are full."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SMALL = "64k"


@contextlib.contextmanager
def mounted(folder: Path, size: str = SMALL) -> Iterator[Path]:
    """A file system of this size in a folder that it makes; skips where none can be mounted."""
    folder.mkdir()
    try:
        _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    try:
        yield folder
    finally:
        # Whatever still has a file open there.
        subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True, timeout=20)


def fill(folder: Path) -> Path:
    """Takes all the room that is left; returns the file to remove for it."""
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    return ballast


def make_larger(folder: Path) -> None:
    """Gives a file system 1 MiB."""
    _mount("-o", "remount,size=1M", str(folder))


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True, timeout=20)
