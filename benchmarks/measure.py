"""What a benchmark gives, and how both sides of it are measured: in turns, in one run.

The machines that this runs on are shared and noisy. A figure of one side alone says little; the
ratio of two sides that took turns on the same cores within seconds says what is asked for.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence


class BenchmarkError(RuntimeError):
    """Something could not be measured; the message says why."""


@dataclasses.dataclass(frozen=True)
class Point:
    """Where a comparison lies on a curve that shows how the system grows.

    Attributes:
        curve: the curve's name, which all of its points share.
        axis: what is varied, with its unit if it has one.
        value: of that.
    """

    curve: str
    axis: str
    value: float


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Ours against a reference, measured in turns.

    Attributes:
        benchmark: the benchmark's name.
        case: what of it, such as the task and the agent.
        unit: of both sides.
        ours: one number a round.
        reference_name: what the reference is.
        reference: one number a round, as many as of ours.
        goal: the least ratio wanted, or None where there is no goal.
        goal_is_absolute: then the goal is the least of ours instead, in its unit, or the most
            where `lower_is_better`.
        lower_is_better: then the ratio is the reference over ours.
        note: anything a reader of the table must know.
        point: which point of a curve it is, or None where it is of none.
    """

    benchmark: str
    case: str
    unit: str
    ours: tuple[float, ...]
    reference_name: str
    reference: tuple[float, ...]
    goal: float | None = None
    goal_is_absolute: bool = False
    lower_is_better: bool = False
    note: str = ""
    point: Point | None = None

    def __post_init__(self) -> None:
        if not self.ours or len(self.ours) != len(self.reference):
            raise ValueError(
                f"{self.benchmark}, {self.case}: {len(self.ours)} rounds of ours and "
                f"{len(self.reference)} of the reference; there must be as many of both."
            )

    @property
    def ratios(self) -> list[float]:
        """Round by round, how many times better ours is."""
        pairs = zip(self.ours, self.reference, strict=True)
        if self.lower_is_better:
            return [reference / ours for ours, reference in pairs]
        return [ours / reference for ours, reference in pairs]

    @property
    def ratio(self) -> float:
        """The median of `ratios`."""
        return statistics.median(self.ratios)

    @property
    def holds(self) -> bool | None:
        """Whether the goal is reached; None without one."""
        if self.goal is None:
            return None
        if not self.goal_is_absolute:
            return self.ratio >= self.goal
        figure = statistics.median(self.ours)
        return figure <= self.goal if self.lower_is_better else figure >= self.goal


def in_turns(sides: Sequence[Callable[[], float]], rounds: int) -> tuple[tuple[float, ...], ...]:
    """Calls each side once a round, the order reversed every other round.

    Returns:
        For each side, what it returned in each round.
    """
    results: list[list[float]] = [[] for _ in sides]
    for index, side in turns(len(sides), rounds):
        result = sides[side]()
        if not result > 0:
            raise BenchmarkError(f"Side {side + 1} did nothing in round {index + 1}.")
        results[side].append(result)
    return tuple(tuple(result) for result in results)


def turns(num_sides: int, rounds: int) -> Iterator[tuple[int, int]]:
    """The number of the round and of the side, turn by turn, in the order of `in_turns`."""
    for index in range(rounds):
        order = range(num_sides) if index % 2 == 0 else reversed(range(num_sides))
        yield from ((index, side) for side in order)


def announced(name: str, side: Callable[[], float]) -> Callable[[], float]:
    """The side, which says on the standard error what runs, and then what came of it."""

    def run() -> float:
        print(f"{time.strftime('%H:%M:%S')} {name} ...", end="", file=sys.stderr, flush=True)
        figure = None
        try:
            figure = side()
        finally:
            print(" failed" if figure is None else f" {figure:.1f} a second", file=sys.stderr)
        return figure

    return run


def rate(step: Callable[[], int], seconds: float) -> float:
    """Calls `step` for about so long; returns the sum of what it returned, per second."""
    count = 0
    start = time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        count += step()
    return count / elapsed
