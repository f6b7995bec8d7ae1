"""The space of settings that a sweep varies: lists of values, and distributions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from quinoa.launch.errors import ExperimentError

_KINDS = ("uniform", "log", "int", "logint")


class Distribution(NamedTuple):
    """A distribution that random search samples a number from.

    Attributes:
        kind: uniform, log (uniform in the logarithm), or int or logint, which give integers.
        low: the least number.
        high: the greatest number.
    """

    kind: str
    low: float
    high: float

    def draw(self, rng: np.random.Generator) -> str:
        """Samples a number, as text of four digits for the command line."""
        if self.kind in ("log", "logint"):
            value = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        elif self.kind == "int":
            return str(int(rng.integers(int(self.low), int(self.high), endpoint=True)))
        else:
            value = rng.uniform(self.low, self.high)
        return str(round(value)) if self.kind == "logint" else f"{value:.4g}"


class Axis(NamedTuple):
    """A setting that a sweep varies.

    Attributes:
        name: the setting's name.
        values: its values as texts, or the distribution that they are sampled from.
    """

    name: str
    values: tuple[str, ...] | Distribution


def parse_axis(text: str) -> Axis:
    """Parses `tau=0.01,0.03`, `hidden_sizes=64,64;256,256` or `learning_rate=log:1e-4:1e-2`.

    Raises:
        ExperimentError: the text has none of these forms.
    """
    name, equals, values = text.partition("=")
    name = name.strip()
    if not (name and equals and values.strip()):
        raise ExperimentError(
            f"{text!r} cannot be understood: it must be NAME=VALUE,VALUE... or, for --random, "
            "NAME=log:LOW:HIGH."
        )
    kind, *bounds = values.split(":")
    if bounds and kind in _KINDS:
        return Axis(name, _distribution(text, kind, bounds))
    # Values that contain commas are separated by semicolons.
    separator = ";" if ";" in values else ","
    texts = tuple(part.strip() for part in values.split(separator) if part.strip())
    if not texts:
        raise ExperimentError(f"{text!r} has no value: give one or several, NAME=VALUE,VALUE...")
    for value in texts:
        if texts.count(value) > 1:
            raise ExperimentError(
                f"{text!r} has {value} twice. (Values with commas of their own are separated by "
                "semicolons: hidden_sizes=64,64;256,256)"
            )
    return Axis(name, texts)


def parse_axes(texts: Sequence[str]) -> list[Axis]:
    """Parses several settings; also raises `ExperimentError` if two have the same name."""
    axes = [parse_axis(text) for text in texts]
    names = [axis.name for axis in axes]
    for name in names:
        if names.count(name) > 1:
            raise ExperimentError(f"{name} is given twice: put all its values in one list.")
    return axes


def grid(axes: Sequence[Axis]) -> list[dict[str, str]]:
    """Makes all combinations; without axes, a single empty one.

    Raises:
        ExperimentError: an axis is a distribution.
    """
    lists: list[list[tuple[str, str]]] = []
    for axis in axes:
        if isinstance(axis.values, Distribution):
            raise ExperimentError(
                f"{axis.name} is to be drawn from {axis.values.kind}, of which there is no grid: "
                "give --random=N, or a list of values."
            )
        lists.append([(axis.name, value) for value in axis.values])
    return [dict(combination) for combination in itertools.product(*lists)]


def sample(axes: Sequence[Axis], count: int, seed: int) -> list[dict[str, str]]:
    """Samples combinations; the same seed gives the same ones.

    Args:
        axes: at least one; the values of a list are equally likely.
        count: how many combinations, all different.
        seed: the seed of the samples.

    Raises:
        ExperimentError: there are not that many.
    """
    if not axes:
        raise ExperimentError("--random draws settings: name some, as learning_rate=log:1e-4:1e-2.")
    rng = np.random.default_rng(seed)
    drawn: dict[tuple[str, ...], Mapping[str, str]] = {}
    for _ in range(100 * count):
        combination = {axis.name: _draw(axis, rng) for axis in axes}
        drawn.setdefault(tuple(combination.values()), combination)
        if len(drawn) == count:
            return [dict(combination) for combination in drawn.values()]
    raise ExperimentError(
        f"--random={count} asks for more combinations than were found ({len(drawn)}): give fewer, "
        "or leave --random out to run them all."
    )


def _draw(axis: Axis, rng: np.random.Generator) -> str:
    if isinstance(axis.values, Distribution):
        return axis.values.draw(rng)
    return axis.values[int(rng.integers(len(axis.values)))]


def _distribution(text: str, kind: str, bounds: Sequence[str]) -> Distribution:
    try:
        low, high = map(float, bounds)
    except ValueError:
        low, high = math.nan, math.nan
    is_log = kind in ("log", "logint")
    is_whole = kind not in ("int", "logint") or (low.is_integer() and high.is_integer())
    if not (low < high < math.inf and (low > 0 or not is_log) and low > -math.inf and is_whole):
        above = ", both above 0" if is_log else ""
        whole = "whole numbers" if "int" in kind else "numbers"
        raise ExperimentError(
            f"{text!r} cannot be understood: {kind} takes two {whole}, {kind}:LOW:HIGH{above}."
        )
    return Distribution(kind, low, high)
