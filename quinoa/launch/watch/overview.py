"""A run at one moment, read from its folder: what has become of it and how it goes.

Reads files alone, and none of them whole that may be long; imports no agent and no TensorFlow.
"""

from __future__ import annotations

import dataclasses
import enum
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from quinoa.launch.checkpoints import checkpoint_folder
from quinoa.launch.metrics import saved_rows
from quinoa.launch.run import columns, events, process_list
from quinoa.launch.run import result as run_result
from quinoa.launch.run import status as run_status
from quinoa.launch.run.events import EventKind, LoggedEvent
from quinoa.launch.run.process_list import ListedNode, NodeState, ProcessIdentity
from quinoa.launch.run.result import RunResult
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.run.status import Status
from quinoa.launch.storage.saved_json import parsing_file, read_object
from quinoa.launch.watch.run_limits import RunLimits

# A run writes its status twice a second. After so many seconds without one it counts as silent.
SILENT_S = 15.0
_NUM_EVENTS = 5
# Events that are not shown: of each process that stops in order, and of each saving that went well.
_ROUTINE = (
    EventKind.BACK,
    EventKind.RESTARTED,
    EventKind.REPLAY_SAVED,
    EventKind.REPLAY_RESTORED,
)


class RunState(str, enum.Enum):
    """What has become of a run."""

    RUNNING = "running"
    SILENT = "silent"  # Nothing was written for long: it hangs, or is on another machine.
    DEAD = "dead"  # Its process is gone, or never wrote which that is, and it has no result.
    ENDED = "ended"  # It has a result.

    __str__ = str.__str__


@dataclasses.dataclass(frozen=True)
class Title:
    """What a run is called by: the names and the seed of its experiment.

    Attributes:
        agent: its name or path.
        task: the environment's name or path; or the demonstrations', where there is none.
        seed: of the run.
        preset: that the experiment was made from; None without one.
    """

    agent: str
    task: str
    seed: int
    preset: str | None

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Title:
        """The title of an experiment as `Experiment.save` writes it.

        Raises:
            LookupError, TypeError, ValueError: these are no such fields.
        """
        preset = fields.get("preset")
        return cls(
            str(fields["agent"]),
            str(fields["environment"] or fields["demonstrations"]),
            int(fields["seed"]),
            None if preset is None else str(preset),
        )


@dataclasses.dataclass(frozen=True)
class ActorProgress:
    """What an actor said of its work last.

    Attributes:
        wall_time: when, in seconds since 1970.
        steps_per_second: of its environments together.
        parameter_age: gradient steps that its parameters were behind.
    """

    wall_time: float
    steps_per_second: float
    parameter_age: float


@dataclasses.dataclass(frozen=True)
class SavedCheckpoint:
    """The newest checkpoint of one kind.

    Attributes:
        number: that it is named by.
        age_s: seconds since it was written.
    """

    number: int
    age_s: float


@dataclasses.dataclass(frozen=True)
class RunOverview:
    """A run at one moment; None is what is not known.

    Attributes:
        folder: of the run.
        title: what it is called by.
        limits: what its progress is shown against.
        state: what has become of it.
        status: how far it is and how it goes; None where there is none yet.
        silent_s: seconds since that was written.
        elapsed_s: seconds from the start of its engine to then.
        result: how it ended; None before.
        engine: the process of its engine.
        is_alive: whether that is there; None also where it is on another machine.
        nodes: the processes of the engine.
        returns: of the evaluations, in order.
        actors: what each actor said last, by its index.
        events: the latest that are worth showing, in order.
        learned: the learner's newest checkpoint.
        replay: the newest checkpoint of replay.
    """

    folder: RunFolder
    title: Title
    limits: RunLimits
    state: RunState
    status: Status | None
    silent_s: float
    elapsed_s: float | None
    result: RunResult | None
    engine: ProcessIdentity | None
    is_alive: bool | None
    nodes: Sequence[ListedNode]
    returns: Sequence[float]
    actors: Mapping[int, ActorProgress]
    events: Sequence[LoggedEvent]
    learned: SavedCheckpoint | None
    replay: SavedCheckpoint | None

    @property
    def restarts(self) -> int:
        """How often processes were started again."""
        return sum(node.restarts for node in self.nodes)


def read(folder: RunFolder) -> RunOverview:
    """Reads the files of a run, which may be written at the same time.

    Raises:
        RunError: a file is damaged.
    """
    title, limits = _experiment(folder.experiment)
    status, result = run_status.read(folder.status), run_result.read(folder.result)
    processes = process_list.read(folder.processes)
    engine, nodes = processes.engine, processes.nodes
    written = folder.experiment.stat().st_mtime if status is None else status.wall_time
    silent_s = max(time.time() - written, 0.0)
    is_alive = None if engine is None else engine.is_alive()
    if is_alive is False:
        nodes = [dataclasses.replace(node, state=NodeState.GONE) for node in nodes]
    news = [event for event in events.latest(folder.events) if event.kind not in _ROUTINE]
    return RunOverview(
        folder=folder,
        title=title,
        limits=limits,
        state=_state(result, engine, is_alive, silent_s, status),
        status=status,
        silent_s=silent_s,
        elapsed_s=None if engine is None else written - engine.started,
        result=result,
        engine=engine,
        is_alive=is_alive,
        nodes=nodes,
        returns=_returns(folder.metrics(Role.EVALUATOR)),
        actors=_actors(folder.metrics(Role.ACTOR)),
        events=news[-_NUM_EVENTS:],
        learned=_newest(folder.checkpoints),
        replay=_newest(folder.replay),
    )


def _state(
    result: RunResult | None,
    engine: ProcessIdentity | None,
    is_alive: bool | None,
    silent_s: float,
    status: Status | None,
) -> RunState:
    if result is not None:
        return RunState.ENDED
    is_silent = silent_s > SILENT_S
    if is_alive is False or (engine is None and is_silent):
        return RunState.DEAD
    # At its start, and in the final evaluation, nothing is counted and no status written.
    may_be_silent = status is None or status.has_all_steps
    if is_silent and not (is_alive and may_be_silent):
        return RunState.SILENT
    return RunState.RUNNING


def _experiment(path: Path) -> tuple[Title, RunLimits]:
    described = read_object(path) or {}
    with parsing_file(path):
        fields = described["experiment"]
        return Title.from_json(fields), RunLimits.from_json(fields)


def _returns(path: Path) -> list[float]:
    """The returns of all evaluations."""
    with parsing_file(path):
        cells = [row[columns.EPISODE_RETURN] for row in saved_rows.all_rows(path)]
        return [float(cell) for cell in cells if cell]


def _actors(path: Path) -> dict[int, ActorProgress]:
    """What each actor said last, by its index; earlier versions had not all of these columns."""
    names = (columns.WALL_TIME, columns.STEPS_PER_SECOND, columns.PARAMETER_AGE)
    actors = {}
    with parsing_file(path):
        for row in saved_rows.last_rows(path):
            index, cells = int(row[columns.ACTOR]), [row.get(name) for name in names]
            known = [float(cell) for cell in cells if cell]
            if len(known) == len(names):
                actors[index] = ActorProgress(*known)
    return actors


def _newest(folder: Path) -> SavedCheckpoint | None:
    """The newest of the checkpoints in a folder."""
    for path in reversed(checkpoint_folder.paths_in(folder)):
        try:
            age_s = max(time.time() - path.stat().st_mtime, 0.0)
        except OSError:  # Another one has taken its place.
            continue
        return SavedCheckpoint(int(path.name), age_s)
    return None
