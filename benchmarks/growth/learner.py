"""The learner's steps per second by cores, batch, width of layers and steps in a call.

Its graph runs on a superbatch in memory; its limit is the rate of its matrix products alone, on the
same cores and threads. More cores than the machine has are not simulated: threads can be bound to
fewer cores than there are, never to more.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks import arithmetic, measure, stage
from benchmarks.measure import Comparison, Point
from benchmarks.progress import Part
from benchmarks.setting import TASK, config_of, spec_of
from quinoa.agents import registry
from quinoa.agents.learner import Learner
from quinoa.launch.checks.subject import random_transitions, tensors

_AGENTS_BY_CORES = ("iq", "sac")
_AGENT = "iq"
_BATCHES = (32, 64, 128, 256, 512, 1024)
_WIDTHS = (64, 128, 256, 512, 1024)
_STEPS_PER_CALL = 16
_STEPS_IN_A_CALL = (1, 2, 4, 8, 16, 32, 64)
_ROUNDS = 3
_SECONDS = 0.6
# Of a round of a learner that takes turns with others in processes of their own.
_SECONDS_BY_CORES = 1.0
_PRODUCTS = "its matrix products alone"


class Case(NamedTuple):
    """One learner.

    Attributes:
        settings: of its agent's configuration, those that are not the defaults.
        steps_per_call: K.
        axis: what is varied.
        value: of that.
    """

    settings: Mapping[str, Any]
    steps_per_call: int
    axis: str
    value: int


def sweeps() -> Mapping[str, Sequence[Case]]:
    """The learners of each curve but those by cores, by the curve's name."""
    return {
        "batch": [
            Case({"batch_size": size}, _STEPS_PER_CALL, "transitions in a batch", size)
            for size in _BATCHES
        ],
        "width": [
            Case({"hidden_sizes": [width] * 2}, _STEPS_PER_CALL, "units in each of 2 layers", width)
            for width in _WIDTHS
        ],
        "K": [Case({}, count, "gradient steps in a call (K)", count) for count in _STEPS_IN_A_CALL],
    }


def parts() -> Sequence[Part]:
    """A part for each curve."""
    return [
        *(
            Part(f"growth: learner of {agent} by cores", functools.partial(by_cores, agent))
            for agent in _AGENTS_BY_CORES
        ),
        *(
            Part(f"growth: learner by {name}", functools.partial(by_case, name, cases))
            for name, cases in sweeps().items()
        ),
    ]


def core_counts(num_cores: int) -> list[int]:
    """1, 2, 4 and so on up to the number of cores, and that number."""
    powers = [2**exponent for exponent in range(num_cores.bit_length())]
    return sorted({*powers, num_cores})


def by_cores(agent: str) -> Iterator[Comparison]:
    """A learner bound to each number of cores, with as many threads, in turn.

    The last row has twice as many threads as cores: what it costs to believe in more cores than
    there are, as where a container is allowed fewer than it sees.
    """
    cores = stage.usable_cores()
    placed = [(count, count) for count in core_counts(len(cores))] + [(len(cores), 2 * len(cores))]
    arguments = {
        "task": TASK,
        "agent": agent,
        "steps_per_call": _STEPS_PER_CALL,
        "seconds": _SECONDS_BY_CORES,
    }
    with contextlib.ExitStack() as stack:
        stages = [
            stack.enter_context(
                stage.Stage(
                    "benchmarks.growth.learner:rounds",
                    arguments,
                    cores=cores[:count],
                    threads=threads,
                )
            )
            for count, threads in placed
        ]
        for each in stages:
            each.answer()
        results: list[list[tuple[float, float]]] = [[] for _ in stages]
        for _, side in measure.turns(len(stages), _ROUNDS):
            graph, products = stages[side].ask()
            results[side].append((graph, products))
    for (count, threads), of_side in zip(placed, results, strict=True):
        on = f"{count} of {len(cores)} cores"
        graphs, limits = zip(*of_side, strict=True)
        if threads == count:
            yield _comparison(f"{agent} on {on}", graphs, limits, f"cores, {agent}", "cores", count)
    matched, doubled = (tuple(graph for graph, _ in side) for side in results[-2:])
    yield Comparison(
        "growth",
        f"learner, {agent} on {len(cores)} cores with {2 * len(cores)} threads",
        "steps/s",
        doubled,
        f"with {len(cores)} threads",
        matched,
    )


def rounds(task: str, agent: str, steps_per_call: int, seconds: float) -> Iterator[Any]:
    """A service stage: steps per second of a learner's graph and of its products, by rounds.

    Yields:
        None when all is ready and warm, then the two each time.
    """
    sides = _sides(task, *_learner(task, agent, {}), steps_per_call)
    for side in sides:
        measure.rate(side, seconds / 2)
    yield None
    while True:
        yield [measure.rate(side, seconds) for side in sides]


def by_case(name: str, cases: Sequence[Case]) -> Iterator[Comparison]:
    """Learners on all cores, one after the other, each in turn with its products."""
    cores = stage.usable_cores()
    arguments = {"task": TASK, "agent": _AGENT, "cases": [case[:2] for case in cases]}
    with stage.Stage(
        "benchmarks.growth.learner:one_by_one", arguments, threads=len(cores)
    ) as running:
        for case in cases:
            graphs, limits = running.answer() if case is cases[0] else running.ask()
            what = f"{_AGENT}, {case.axis}: {case.value:,}"
            yield _comparison(what, graphs, limits, f"{name}, {_AGENT}", case.axis, case.value)


def one_by_one(
    task: str, agent: str, cases: Sequence[tuple[Mapping[str, Any], int]]
) -> Iterator[tuple[tuple[float, ...], ...]]:
    """A service stage: for each case its graph's and its products' steps per second, by rounds.

    Args:
        task: a name of an environment.
        agent: a name of an agent.
        cases: settings and steps per call of each.
    """
    learner, batch_size = None, 0
    for index, (settings, steps_per_call) in enumerate(cases):
        # One whose settings do not change takes calls of any length without another trace.
        if learner is None or settings != cases[index - 1][0]:
            learner, batch_size = _learner(task, agent, settings)
        sides = _sides(task, learner, batch_size, steps_per_call)
        yield measure.in_turns(
            [functools.partial(measure.rate, side, _SECONDS) for side in sides], _ROUNDS
        )


def _learner(task: str, agent: str, settings: Mapping[str, Any]) -> tuple[Learner, int]:
    """A learner, and the size of its batches."""
    config = config_of(agent, **settings)
    learner = Learner(registry.load(agent).agent_class, config, spec_of(task), seed=0)
    return learner, config.batch_size


def _sides(
    task: str, learner: Learner, batch_size: int, steps_per_call: int
) -> tuple[Callable[[], int], Callable[[], int]]:
    superbatch = random_transitions(spec_of(task), steps_per_call, batch_size)
    return arithmetic.beside_its_products(learner, tensors(superbatch))


def _comparison(
    what: str,
    graphs: Sequence[float],
    limits: Sequence[float],
    curve: str,
    axis: str,
    value: int,
) -> Comparison:
    return Comparison(
        "growth",
        f"learner, {what}",
        "steps/s",
        tuple(graphs),
        _PRODUCTS,
        tuple(limits),
        point=Point(f"learner by {curve}", axis, value),
    )
