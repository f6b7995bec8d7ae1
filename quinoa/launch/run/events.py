"""The log of a run's events: what failed, what was started again, what was warned of.

A line of JSON each: `wall_time` (seconds since 1970), `event` (what kind), `node` (which process)
and what else there is to say of it. Any process of the run that has its folder may add to it, at
any time; the others send lines with their reports, and the counter adds them.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

from quinoa.launch.storage.record_file import RecordFile

# Takes a line, as `line` makes it, to the log.
Record = Callable[[str], None]

_files: dict[Path, RecordFile] = {}
_lock = threading.Lock()


def line(event: str, node: str, **details: object) -> str:
    """The line of an event that happens now, without its end: JSON, in ASCII.

    Args:
        event: what kind.
        node: the name of the process that it is about.
        details: more, that JSON can say.
    """
    return json.dumps({"wall_time": time.time(), "event": event, "node": node, **details})


def append(path: Path, event: str, node: str, **details: object) -> None:
    """Adds an event that happens now.

    Args:
        path: `RunFolder.events`.
        event: see `line`.
        node: see `line`.
        details: see `line`.
    """
    append_line(path, line(event, node, **details))


def append_line(path: Path, made: str) -> None:
    """Adds a line; where the disk is full, it waits in memory for the next one, or `flush`.

    Args:
        path: `RunFolder.events`.
        made: by `line`.
    """
    with _lock:
        file = _files.setdefault(path, RecordFile(path, lines=True))
        file.write(made.encode() + b"\n")
        file.flush()


def lines(path: Path) -> set[str]:
    """All lines that are in the log; none where there is no file, or none that can be read."""
    try:
        return set(path.read_text(encoding="utf-8", errors="replace").splitlines())
    except OSError:
        return set()


def flush(path: Path) -> bool:
    """Tries again to write what waits in this process; returns whether all is written."""
    with _lock:
        return path not in _files or _files[path].flush()
