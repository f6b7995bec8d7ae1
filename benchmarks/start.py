"""How soon a run learns, how soon an actor acts, and what one more actor takes of memory."""

from __future__ import annotations

import functools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import first_step
from benchmarks.measure import BenchmarkError, Comparison, turns
from benchmarks.training import training

_ROUNDS = 3
# What a further actor takes is the difference of two runs.
_FEW, _MANY = 1, 3
_SETTLE_S = 3.0
_STEP_TIMEOUT_S = 60.0
_POLL_S = 0.05
# One gradient step for each environment step, as beside the peers.
_FLAGS = (
    "--agent=iq",
    "--env=benchmarks.first_step:make",
    "--environments_per_actor=1",
    "--samples_per_insert=256",
    "--set=min_replay_size=1000",
)
_GOALS_S = {"learner": 6.0, "actor": 3.0}
_GOAL_MB = 150.0


class _Start(NamedTuple):
    """What was seen of one run.

    Attributes:
        first_gradient_step_s: seconds from the command to it.
        processor_s: seconds that all processes had computed by then.
        first_step_s: seconds from the start of the first actor's process to its first step.
        memory_mb: proportional, of all processes, some seconds later.
    """

    first_gradient_step_s: float
    processor_s: float
    first_step_s: float
    memory_mb: float


def run() -> Iterator[Comparison]:
    """Starts runs of one actor and of three, and Python with the libraries alone, in turns."""
    sides = (functools.partial(_start, _FEW), functools.partial(_start, _MANY))
    starts: tuple[list[_Start], list[_Start]] = ([], [])
    imports = []
    for _, side in turns(3, _ROUNDS):
        if side == 2:
            imports.append(_import_s())
        else:
            starts[side].append(sides[side]())
    few, many = starts
    processor_s = statistics.median(start.processor_s for start in few)
    libraries = "Python that imports the libraries alone"
    yield _at_most(
        "start",
        "control:cheetah:run, iq, from the command to the first gradient step",
        "s",
        [start.first_gradient_step_s for start in few],
        libraries,
        imports,
        _GOALS_S["learner"],
        f"all processes together {processor_s:.1f} s of processor time",
    )
    yield _at_most(
        "start",
        "control:cheetah:run, iq, from the start of an actor's process to its first step",
        "s",
        [start.first_step_s for start in few],
        libraries,
        imports,
        _GOALS_S["actor"],
    )
    yield _at_most(
        "memory",
        "one more actor, of all that the run takes (proportional)",
        "MB",
        [
            (after.memory_mb - before.memory_mb) / (_MANY - _FEW)
            for before, after in zip(few, many, strict=True)
        ],
        f"the whole run with {_FEW} actor",
        [start.memory_mb for start in few],
        _GOAL_MB,
    )


def _at_most(
    benchmark: str,
    case: str,
    unit: str,
    ours: list[float],
    reference_name: str,
    reference: list[float],
    goal: float,
    note: str = "",
) -> Comparison:
    return Comparison(
        benchmark,
        case,
        unit,
        tuple(ours),
        reference_name,
        tuple(reference),
        goal,
        goal_is_absolute=True,
        lower_is_better=True,
        note=note,
    )


def _start(num_actors: int) -> _Start:
    with tempfile.TemporaryDirectory(prefix="quinoa-start-") as name:
        folder = Path(name)
        with training(*_FLAGS, f"--env_set=folder={name}", f"--num_actors={num_actors}") as run:
            learned_s = run.wait_for_learner()
            processor_s = run.processor_seconds()
            acted_s = _first_step_s(folder, run.actor_pid())
            run.wait_for_actors(num_actors)
            time.sleep(_SETTLE_S)
            return _Start(learned_s, processor_s, acted_s, run.memory())


def _first_step_s(folder: Path, pid: int) -> float:
    deadline = time.monotonic() + _STEP_TIMEOUT_S
    while (seconds := first_step.noted(folder, pid)) is None:
        if time.monotonic() > deadline:
            raise BenchmarkError(f"The actor has made no step within {_STEP_TIMEOUT_S:.0f} s.")
        time.sleep(_POLL_S)
    return seconds


def _import_s() -> float:
    """Seconds in which Python starts and imports what the processes of a run import."""
    code = "from quinoa.launch.engines.local import warm_parent_main as it; it.import_all()"
    start = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return time.monotonic() - start
