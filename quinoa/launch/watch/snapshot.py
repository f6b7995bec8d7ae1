"""What a run's folder says of how the run goes, for whoever watches from outside.

Reads files alone, and none of them whole that may be long; imports no agent and no TensorFlow.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import enum
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from quinoa.launch.checkpoints import checkpoint_folder
from quinoa.launch.errors import RunError
from quinoa.launch.run import process_list
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json
from quinoa.launch.watch.goal import Goal

# A run writes its status twice a second. So many seconds without one, and it is not well.
SILENT_S = 15.0
# How much is read of the end of a file of lines.
_TAIL_BYTES = 2**16
_NUM_EVENTS = 5
# What is shown of a status.
_STATUS = {
    "wall_time",
    "actor_steps",
    "learner_steps",
    "steps",
    "actor_steps_per_second",
    "learner_steps_per_second",
    "updates_per_step",
    "actor_return",
    "evaluation_return",
    "replay_size",
    "waiting",
    "parameter_age",
}
# Events that are no news: each process that stops in order, and each saving that went well.
_ROUTINE = ("back", "restarted", "replay_saved", "replay_taken_up")


class State(enum.Enum):
    """What has become of a run."""

    RUNNING = "running"
    SILENT = "silent"  # It has said nothing for long: it is stuck, or nobody here can tell.
    DEAD = "dead"  # Its process is gone, or it never said which that is, nor how it ended.
    ENDED = "ended"  # It said how.


@dataclasses.dataclass(frozen=True)
class Process:
    """One process of a run.

    Attributes:
        name: such as `actor-0`.
        role: such as `actor`.
        pid: its number on the run's host.
        state: `starting`, `running`, `down` (to be started again), `done`, or `gone`.
        restarts: how often it was started again.
    """

    name: str
    role: str
    pid: int
    state: str
    restarts: int


@dataclasses.dataclass(frozen=True)
class Saved:
    """The newest checkpoint of one kind.

    Attributes:
        number: that it is named by.
        age_s: since it was written.
    """

    number: int
    age_s: float


@dataclasses.dataclass(frozen=True)
class RunView:
    """A run at one moment.

    Attributes:
        folder: of the run.
        described: what `Experiment.save` wrote of the experiment.
        goal: of the run.
        state: what has become of it.
        status: `Counter.status`; None where there is none yet.
        silent_s: since that was written.
        elapsed_s: from the start of its engine to then; None where that is not known.
        result: how it ended, as `quinoa.launch.train` writes it; None before.
        host: that it runs on, where that is known.
        pid: of its engine, where that is known.
        is_alive: whether that is a process of this machine; None where it runs on another one, or
            has not said.
        processes: the nodes.
        returns: of the evaluations, in order.
        actors: the latest row of metrics of each actor, by index.
        events: the latest that are news, in order.
        learned: the learner's newest checkpoint.
        replay: the newest of what replay held.
    """

    folder: RunFolder
    described: Mapping[str, Any]
    goal: Goal
    state: State
    status: Mapping[str, Any] | None
    silent_s: float
    elapsed_s: float | None
    result: Mapping[str, Any] | None
    host: str | None
    pid: int | None
    is_alive: bool | None
    processes: Sequence[Process]
    returns: Sequence[float]
    actors: Mapping[int, Mapping[str, str]]
    events: Sequence[Mapping[str, Any]]
    learned: Saved | None
    replay: Saved | None


def read(folder: RunFolder) -> RunView:
    """Reads the files of a run, which may be written at the same time.

    Raises:
        RunError: a file is damaged.
    """
    described, goal = _experiment(folder.experiment)
    status, result = _status(folder.status), _object(folder.result)
    engine = _object(folder.processes) or {}
    written = folder.experiment.stat().st_mtime if status is None else status["wall_time"]
    silent_s = max(time.time() - written, 0.0)
    is_alive = process_list.is_alive(engine)
    if result is not None:
        state = State.ENDED
    elif is_alive is False or (not engine and silent_s > SILENT_S):
        state = State.DEAD
    elif silent_s > SILENT_S and not (is_alive and _says_nothing(status)):
        state = State.SILENT
    else:
        state = State.RUNNING
    with _readable(folder.processes):
        started = float(engine["started"]) if "started" in engine else None
        processes = [
            Process(
                **{name: node[name] for name in ("name", "role", "pid", "restarts")},
                state="gone" if is_alive is False else node["state"],
            )
            for node in engine.get("nodes", [])
        ]
    with _readable(folder.metrics("evaluator")):
        rows = _rows(folder.metrics("evaluator"), whole=True)
        returns = [float(row["episode_return"]) for row in rows if row["episode_return"]]
    with _readable(folder.metrics("actor")):
        actors = {int(row["actor"]): row for row in _rows(folder.metrics("actor"))}
    events = [event for event in _events(folder.events) if event["event"] not in _ROUTINE]
    return RunView(
        folder=folder,
        described=described,
        goal=goal,
        state=state,
        status=status,
        silent_s=silent_s,
        elapsed_s=None if started is None else written - started,
        result=result,
        host=engine.get("host"),
        pid=engine.get("pid"),
        is_alive=is_alive,
        processes=processes,
        returns=returns,
        actors=actors,
        events=events[-_NUM_EVENTS:],
        learned=_newest(folder.checkpoints),
        replay=_newest(folder.replay),
    )


def _experiment(path: Path) -> tuple[Mapping[str, Any], Goal]:
    with _readable(path):
        fields = (_object(path) or {})["experiment"]
        if missing := {"agent", "environment", "seed"} - fields.keys():
            raise KeyError(missing.pop())
        return fields, Goal.of_json(fields)


def _status(path: Path) -> dict[str, Any] | None:
    status = _object(path)
    with _readable(path):
        if status is not None and (missing := _STATUS - status.keys()):
            raise KeyError(missing.pop())
    return status


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Makes one error of all that a file may do to whoever understands it otherwise."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise RunError(
            f"{path} is damaged, or of another version ({type(error).__name__}: {error})."
        ) from error


def _object(path: Path) -> dict[str, Any] | None:
    """The JSON object that a file has; None where there is no file (yet)."""
    with _readable(path):
        try:
            return dict(read_json(path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RunError(f"{path} cannot be read ({error.strerror}).") from error


def _says_nothing(status: Mapping[str, Any] | None) -> bool:
    """Whether it is at its start, or in the final evaluation, when nobody counts anything."""
    return status is None or status["actor_steps"] >= status["steps"]


def _rows(path: Path, *, whole: bool = False) -> list[dict[str, str]]:
    """The last rows of a CSV file, or all; without the one that is being written."""
    header, *lines = _lines(path, whole=whole) or [""]
    names = next(csv.reader([header]), [])
    rows = [cells for cells in csv.reader(lines) if len(cells) == len(names)]
    return [dict(zip(names, cells, strict=True)) for cells in rows]


def _events(path: Path) -> list[dict[str, Any]]:
    events = []
    for text in _lines(path):
        try:
            event = json.loads(text)
        except ValueError:
            # The part of a line at which the tail begins, or zeros of a machine that lost power.
            continue
        if isinstance(event, dict) and {"wall_time", "event", "node"} <= event.keys():
            events.append(event)
    return events


def _lines(path: Path, *, whole: bool = False) -> list[str]:
    """A file's first line and its last ones; none where it is not there."""
    try:
        with path.open("rb") as file:
            head = file.readline()
            end = file.seek(0, os.SEEK_END)
            start = len(head) if whole else max(len(head), end - _TAIL_BYTES)
            file.seek(start)
            tail = file.read(end - start)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror}).") from error
    if start > len(head):
        tail = tail.partition(b"\n")[2]
    # What has no end yet is being written.
    text = head + tail[: tail.rfind(b"\n") + 1]
    return text.decode(errors="replace").replace("\0", "").splitlines()


def _newest(folder: Path) -> Saved | None:
    """The newest of the checkpoints in a folder."""
    for path in reversed(checkpoint_folder.paths_in(folder)):
        try:
            return Saved(int(path.name), max(time.time() - path.stat().st_mtime, 0.0))
        except OSError:  # Another one has taken its place.
            continue
    return None
