"""The variables of an agent, as a message names them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from quinoa.agents import protocol


def in_groups_of(agent: protocol.Agent) -> set[Any]:
    """References to the variables that its parameter groups train."""
    return {v.ref() for group in agent.parameter_groups() for v in group.variables}


def paths_of(agent: protocol.Agent) -> dict[Any, str]:
    """Where in the agent each of its variables is, as one would write it."""
    found = agent._flatten(with_path=True, predicate=lambda x: isinstance(x, tf.Variable))
    return {variable.ref(): _written(path) for path, variable in found}


def values_of(variables: Iterable[tf.Variable]) -> list[npt.NDArray[Any]]:
    """What variables are, as arrays of their own."""
    return [variable.numpy() for variable in variables]


def assign(variables: Iterable[tf.Variable], values: Iterable[npt.NDArray[Any]]) -> None:
    """Makes variables what they were."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def is_equal(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    """Whether two arrays are the same to the last bit; NaN is NaN."""
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def are_equal(ones: Iterable[npt.NDArray[Any]], others: Iterable[npt.NDArray[Any]]) -> bool:
    """Whether all of them are."""
    return all(is_equal(one, other) for one, other in zip(ones, others, strict=True))


def _written(path: Iterable[Any]) -> str:
    text = ""
    for part in path:
        # Keys of containers come as tuples of their attribute and themselves.
        if isinstance(part, tuple):
            text += f".{part[0]}" + "".join(f"[{key!r}]" for key in part[1:])
        elif isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}"
    return text.removeprefix(".")


def listed(names: Sequence[str], most: int = 6) -> str:
    """The first of them, and how many more there are."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
