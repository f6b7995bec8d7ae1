"""The steps per second of actors by how many processes they are, on a real environment."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
from collections.abc import Generator, Iterator, Sequence

import numpy as np
from dm_control import suite

from benchmarks import measure, stage
from benchmarks.actor import make_actor
from benchmarks.measure import Comparison, Point
from benchmarks.progress import Part
from benchmarks.setting import TASK

_AGENT = "iq"
_NUM_ENVIRONMENTS = 16
_SEGMENT_LENGTH = 16
_ROUNDS = 3
_SECONDS = 1.5
_CHUNK = 100


def parts() -> Sequence[Part]:
    """One part."""
    return [Part("growth: actors by processes", run)]


def process_counts(num_cores: int) -> list[int]:
    """1, 2, 4 and so on, up to twice the cores at least: beyond them nothing more is to be had."""
    return [2**exponent for exponent in range((2 * num_cores - 1).bit_length() + 1)]


def run() -> Iterator[Comparison]:
    """Compares actors, and the replay server they write to, with as many bare environments.

    Of those there are as many as cores at most. All share all cores.
    """
    num_cores = len(stage.usable_cores())
    counts = process_counts(num_cores)
    acting = {
        "task": TASK,
        "agent": _AGENT,
        "segment_length": _SEGMENT_LENGTH,
        "num_environments": _NUM_ENVIRONMENTS,
        "seconds": _SECONDS,
    }
    table = {name: acting[name] for name in ("task", "agent", "segment_length")}
    with contextlib.ExitStack() as stack:
        network = stack.enter_context(stage.network())
        server = stage.Stage("benchmarks.replay_server:serve", table, network=network)
        acting["address"] = stack.enter_context(server).answer()
        actors = [
            stack.enter_context(
                stage.Stage("benchmarks.growth.actors:act", acting, one_heap=True, network=network)
            )
            for _ in range(counts[-1])
        ]
        bare = [
            stack.enter_context(
                stage.Stage(
                    "benchmarks.growth.actors:step_bare", {"task": TASK, "seconds": _SECONDS}
                )
            )
            for _ in range(num_cores)
        ]
        for each in (*actors, *bare):
            each.answer()
        for count in counts:
            at_most = min(count, num_cores)
            ours, reference = measure.in_turns(
                [
                    functools.partial(_together, actors[:count]),
                    functools.partial(_together, bare[:at_most]),
                ],
                _ROUNDS,
            )
            yield Comparison(
                "growth",
                f"actors, {TASK}, {_AGENT}, {_NUM_ENVIRONMENTS} environments each, "
                f"processes: {count}",
                "steps/s",
                ours,
                f"as many bare environments, {num_cores} at most",
                reference,
                point=Point("actors, cheetah-run", "actor processes", count),
            )


def act(
    task: str, agent: str, segment_length: int, address: str, num_environments: int, seconds: float
) -> Generator[float, None, None]:
    """A service stage: steps per second of an actor, first for warming up, then by rounds."""
    with contextlib.closing(
        make_actor(task, agent, segment_length, address, num_environments)
    ) as actor:
        while True:
            yield measure.rate(lambda: actor.step().num_transitions, seconds)


def step_bare(task: str, seconds: float) -> Iterator[float]:
    """A service stage: steps per second of an environment with random actions, by rounds."""
    environment = suite.load(*task.split(":")[1:], task_kwargs={"random": 0})
    bounds = environment.action_spec()
    shape = (_CHUNK, *bounds.shape)
    actions = np.random.default_rng(0).uniform(bounds.minimum, bounds.maximum, shape)
    environment.reset()

    def step() -> int:
        for action in actions:
            environment.step(action)
        return _CHUNK

    while True:
        yield measure.rate(step, seconds)


def _together(stages: Sequence[stage.Stage]) -> float:
    """The sum of what the stages do in a round, all at the same time."""
    with concurrent.futures.ThreadPoolExecutor(len(stages)) as pool:
        return float(sum(pool.map(stage.Stage.ask, stages)))
