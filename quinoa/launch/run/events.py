"""The log of a run's events: what failed, what was started again, what was warned of.

A line of JSON each: `wall_time` (seconds since 1970), `event` (what kind), `node` (which process)
and what else there is to say of it. Any process of the run may add to it, at any time.
"""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

from quinoa.launch.storage.record_file import RecordFile

_files: dict[Path, RecordFile] = {}
_lock = threading.Lock()


def append(path: Path, event: str, node: str, **details: object) -> None:
    """Adds an event; where the disk is full, it waits in memory for the next call, or `flush`.

    Args:
        path: `RunFolder.events`.
        event: what kind.
        node: the name of the process that it is about.
        details: more, that JSON can say.
    """
    line = json.dumps({"wall_time": time.time(), "event": event, "node": node, **details})
    with _lock:
        file = _files.setdefault(path, RecordFile(path, lines=True))
        file.write(line.encode() + b"\n")
        file.flush()


def flush(path: Path) -> bool:
    """Tries again to write what waits in this process; returns whether all is written."""
    with _lock:
        return path not in _files or _files[path].flush()
