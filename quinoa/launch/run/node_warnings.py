"""Warnings of a node: a line in its log, and one in the run's."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path

from quinoa.launch.run import events
from quinoa.launch.terminal.output import say

# Takes the kind of event and what to say of it; details by name.
Warn = Callable[..., None]


def warn(path: Path | None, node: str, event: str, text: str, **details: object) -> None:
    """Says on standard error, and in a run's events, what has gone wrong and can be lived with.

    Args:
        path: `RunFolder.events`; None to say it on standard error only.
        node: whose it is, such as `learner-0`.
        event: what happened, in a word.
        text: a sentence, for whoever reads the log.
        details: numbers and names to go with the event.
    """
    say(f"quinoa: note: {node}: {text}", sys.stderr)
    if path is not None:
        events.append(path, event, node, text=text, **details)


def of(path: Path, node: str) -> Warn:
    """`warn` for one node."""
    return functools.partial(warn, path, node)
