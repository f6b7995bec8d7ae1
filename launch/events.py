"""The log of what befell a run: a line of JSON on each event, from whichever process saw it."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path


def append(path: Path, event: str, node: str, **details: object) -> None:
    """Adds a line; where the disk has no room for it, the line is lost, and nothing else.

    Args:
        path: `RunFolder.events`.
        event: what happened, in a word.
        node: whose it is, such as `actor-0`.
        details: what else there is to say, as JSON has it.
    """
    line = json.dumps({"wall_time": time.time(), "event": event, "node": node, **details})
    with contextlib.suppress(OSError):
        # One write at the file's end, so that lines of several processes do not mix.
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, f"{line}\n".encode())
        finally:
            os.close(descriptor)
