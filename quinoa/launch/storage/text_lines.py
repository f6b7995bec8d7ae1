"""Reading files of lines while they are being written: their last lines, or all that are whole."""

from __future__ import annotations

import os
from pathlib import Path

# The bytes that are read of the end of a file.
TAIL_BYTES = 2**16


def last_lines(path: Path) -> list[str]:
    """The first line of a file (its header, where it has one) and those in its last 64 KB.

    There is none where the file is not there, and none of what has no end yet.

    Raises:
        OSError: the file is there, and cannot be read.
    """
    return _lines(path, TAIL_BYTES)


def all_lines(path: Path) -> list[str]:
    """All lines of a file; none where it is not there, and none of what has no end yet.

    Raises:
        OSError: the file is there, and cannot be read.
    """
    return _lines(path, None)


def _lines(path: Path, most: int | None) -> list[str]:
    try:
        with path.open("rb") as file:
            head = file.readline()
            end = file.seek(0, os.SEEK_END)
            start = len(head) if most is None else max(len(head), end - most)
            file.seek(start)
            tail = file.read(end - start)
    except FileNotFoundError:
        return []
    if not head.endswith(b"\n"):
        return []
    if start > len(head):
        tail = tail.partition(b"\n")[2]
    # What has no end yet is being written; a machine that lost power can leave zeros.
    text = head + tail[: tail.rfind(b"\n") + 1]
    return text.decode(errors="replace").replace("\0", "").splitlines()
