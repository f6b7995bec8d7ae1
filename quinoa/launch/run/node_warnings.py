"""Warnings of a node: a line in its log, and one in the run's log of events."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path

from quinoa.launch.run import events
from quinoa.launch.terminal.output import say

# Takes the kind of event and a sentence about it; details by name.
Warn = Callable[..., None]


def warner(node: str, record: events.Record | None) -> Warn:
    """What warns of what has gone wrong in a node, where the node continues all the same.

    Args:
        node: its name, such as `learner-0`.
        record: takes the line for the run's events; None to say it on standard error only.

    Returns:
        A function of the kind of event, a sentence for people who read the log, and by name the
        details that the event has besides.
    """

    def warn(event: str, text: str, **details: object) -> None:
        say(f"quinoa: note: {node}: {text}", sys.stderr)
        if record is not None:
            record(events.line(event, node, text=text, **details))

    return warn


def of(path: Path, node: str) -> Warn:
    """The same, for a node that adds to `RunFolder.events`, which is this path, itself."""
    return warner(node, functools.partial(events.append_line, path))
