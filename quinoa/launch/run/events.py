"""The log of a run's events: what failed, what was started again, what was warned of.

A line of JSON each: `wall_time` (seconds since 1970), `event` (what kind), `node` (which process)
and what else there is to say of it. Any process of the run that has its folder may add to it, at
any time; the others send lines with their reports, and the counter adds them.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from quinoa.launch.errors import RunError
from quinoa.launch.storage import text_lines
from quinoa.launch.storage.record_file import RecordFile

# Takes a line, as `line` makes it, to the log.
Record = Callable[[str], None]


class EventKind(str, enum.Enum):
    """What happened. The values are those of `event` in the log."""

    # Of processes, by the supervisor.
    FAILED = "failed"
    RESTARTED = "restarted"
    BACK = "back"
    WARM_PARENT_LOST = "warm_parent_lost"
    SCALED = "scaled"
    # Of the run's files.
    DISK_FULL = "disk_full"
    CHECKPOINT_SKIPPED = "checkpoint_skipped"
    REPLAY_SAVED = "replay_saved"
    REPLAY_NOT_SAVED = "replay_not_saved"
    REPLAY_RESTORED = "replay_taken_up"
    REPLAY_DAMAGED = "replay_damaged"
    # Of episodes and parameters, by actors and the evaluator.
    EPISODE_DROPPED = "episode_dropped"
    EPISODE_TRUNCATED = "episode_truncated"
    NO_EPISODE_ENDED = "no_episode_ended"
    PARAMETERS_OLD = "parameters_old"
    # Of learning and replay.
    REPLAY_FULL = "replay_full"
    REPLAY_STARVED = "replay_starved"
    GRADIENT_STEPS_SKIPPED = "gradient_steps_skipped"
    ROLLED_BACK = "rolled_back"

    __str__ = str.__str__


@dataclasses.dataclass(frozen=True)
class LoggedEvent:
    """Something that happened in a run.

    Attributes:
        kind: what; a text of its own where another version of this program wrote it.
        node: the name of the process that it is about.
        wall_time: when, in seconds since 1970.
        details: what else the log says of it.
    """

    kind: EventKind | str
    node: str
    wall_time: float
    details: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The sentence that says what happened; empty without one."""
        return str(self.details.get("text") or self.details.get("reason") or "")

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> LoggedEvent:
        """The record of a line's fields.

        Raises:
            AttributeError, LookupError, OverflowError, TypeError, ValueError: it is none.
        """
        details = dict(fields)
        kind, node, wall_time = (details.pop(name) for name in ("event", "node", "wall_time"))
        try:
            kind = EventKind(kind)
        except ValueError:
            kind = str(kind)
        return cls(kind, str(node), float(wall_time), details)


_files: dict[Path, RecordFile] = {}
_lock = threading.Lock()


def line(kind: EventKind, node: str, /, **details: object) -> str:
    """The line of an event that happens now, without its end: JSON, in ASCII.

    Args:
        kind: what happens.
        node: the name of the process that it is about.
        details: more, that JSON can say.
    """
    return json.dumps({"wall_time": time.time(), "event": kind, "node": node, **details})


def append(path: Path, kind: EventKind, node: str, /, **details: object) -> None:
    """Adds an event that happens now.

    Args:
        path: `RunFolder.events`.
        kind: see `line`.
        node: see `line`.
        details: see `line`.
    """
    append_line(path, line(kind, node, **details))


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


def latest(path: Path) -> list[LoggedEvent]:
    """The events at the end of the log, in order; none where there is no file.

    Lines that are no events are left out, such as what a machine that lost power left.

    Raises:
        RunError: the file cannot be read.
    """
    try:
        lines = text_lines.last_lines(path)
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror}).") from error
    found = []
    for line in lines:
        try:
            found.append(LoggedEvent.from_json(json.loads(line)))
        except (AttributeError, LookupError, OverflowError, TypeError, ValueError):
            continue
    return found
