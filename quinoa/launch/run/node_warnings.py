"""Warnings of a node: a line in its log, and one in the run's log of events."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Protocol

from quinoa.launch.run import events
from quinoa.launch.run.events import EventKind
from quinoa.launch.terminal.output import say


class Warn(Protocol):
    """Warns of something that has gone wrong in a node, which continues all the same."""

    def __call__(self, event: EventKind, text: str, **details: object) -> None:
        """Warns.

        Args:
            event: what happened.
            text: a sentence for people who read the log.
            details: what else the event has, by name.
        """


def warner(node: str, record: events.Record | None) -> Warn:
    """What warns of what has gone wrong in a node, where the node continues all the same.

    Args:
        node: its name, such as `learner-0`.
        record: takes the line for the run's events; None to say it on standard error only.

    """

    def warn(event: EventKind, text: str, **details: object) -> None:
        say(f"quinoa: note: {node}: {text}", sys.stderr)
        if record is not None:
            record(events.line(event, node, text=text, **details))

    return warn


def of(path: Path, node: str) -> Warn:
    """The same, for a node that adds to `RunFolder.events`, which is this path, itself."""
    return warner(node, functools.partial(events.append_line, path))
