"""Checks an environment's specs, and lays out its nested observation as one vector, or image."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from dm_env import specs

from quinoa.environments.errors import InvalidEnvironmentError

# MuJoCo's mjMAXVAL, which dm_control reports as the bounds of an unbounded actuator.
_UNBOUNDED = 1e10
# As many integers from 0 on as float32, in which replay keeps actions, holds exactly.
_MOST_ACTIONS = 2**24


class Leaf(NamedTuple):
    """One array of the inner observation.

    Attributes:
        path: the keys and indices that lead to it.
        label: its name in error messages.
        position: where it lies in the flat observation: an index for a scalar, else a slice. Of an
            image, which is the whole observation, it says nothing.
        shape: its shape.
    """

    path: tuple[Any, ...]
    label: str
    position: int | slice
    shape: tuple[int, ...]


def checked_action_spec(name: str, spec: Any) -> specs.BoundedArray:
    """Returns the action spec if agents' actions can be mapped to it; else raises.

    Returns:
        The spec of a bounded array of floats, to which [-1, 1] is mapped; or that of one integer,
        a `DiscreteArray` or a bounded scalar, to whose n values 0, ..., n − 1 are; or that of a
        bounded array of integers, each of which is a choice from as many.

    Raises:
        InvalidEnvironmentError: the actions are none of these.
    """
    if not isinstance(spec, specs.Array):
        raise InvalidEnvironmentError(
            f"{name}: its actions must be one array, but its action spec is a "
            f"{type(spec).__name__}."
        )
    if isinstance(spec, specs.DiscreteArray):
        return spec
    if spec.dtype.kind not in "fiu":
        raise InvalidEnvironmentError(
            f"{name}: its actions must be floats or integers, but their dtype is {spec.dtype}."
        )
    if math.prod(spec.shape) == 0:
        raise InvalidEnvironmentError(f"{name}: it takes no actions (their shape is {spec.shape}).")
    canonical = "[-1, 1]" if spec.dtype.kind == "f" else "0, 1, ..."
    if not isinstance(spec, specs.BoundedArray) or not (
        (np.abs(spec.minimum) < _UNBOUNDED).all() and (np.abs(spec.maximum) < _UNBOUNDED).all()
    ):
        raise InvalidEnvironmentError(
            f"{name}: its actions have no finite bounds, so {canonical} cannot be mapped to "
            "them; give it bounds in a factory of your own (package.module:factory)."
        )
    if (spec.minimum > spec.maximum).any():
        raise InvalidEnvironmentError(
            f"{name}: the lower bounds of its actions, {spec.minimum}, exceed the upper ones, "
            f"{spec.maximum}."
        )
    if (
        spec.dtype.kind != "f"
        and (spec.maximum.astype(float) - spec.minimum.astype(float) >= _MOST_ACTIONS).any()
    ):
        raise InvalidEnvironmentError(
            f"{name}: a finite set of actions may have {_MOST_ACTIONS:,} at most, but its actions "
            f"are integers from {spec.minimum} to {spec.maximum}."
        )
    return spec


def checked_leaves(name: str, observation_spec: Any) -> tuple[tuple[Leaf, ...], specs.Array]:
    """The arrays of an observation, and the spec of the canonical observation.

    Returns:
        The arrays; and a spec of float32 [O], or one of uint8 [H, W, C], bounded by 0 and the
        greatest value of a pixel, where the observation is an image: one array of uint8, [H, W, C]
        or [H, W].

    Raises:
        InvalidEnvironmentError: a part is not an array of numbers, or is an image beside others.
    """
    leaves = []
    start = 0
    parts = list(_flattened_spec(observation_spec))
    for path, spec in parts:
        label = "the observation" + "".join(f"[{key!r}]" for key in path)
        if not isinstance(spec, specs.Array) or spec.dtype.kind not in "fiub":
            raise InvalidEnvironmentError(
                f"{name}: {label} must be an array of numbers, but its spec is {spec!r}."
            )
        if spec.dtype == np.uint8 and len(spec.shape) > 1:
            if len(parts) > 1 or len(spec.shape) > 3:
                raise InvalidEnvironmentError(
                    f"{name}: {label} is an array of bytes (uint8 {spec.shape}), as images are: an "
                    "image must be the whole observation, of shape [H, W, C] or [H, W]."
                )
            if math.prod(spec.shape):
                leaf = Leaf(path, label, slice(0, math.prod(spec.shape)), spec.shape)
                return (leaf,), _image_spec(spec)
        stop = start + math.prod(spec.shape)
        leaves.append(Leaf(path, label, slice(start, stop) if spec.shape else start, spec.shape))
        start = stop
    if start == 0:
        raise InvalidEnvironmentError(f"{name}: its observations are empty.")
    return tuple(leaves), specs.Array((start,), np.float32, name="observation")


def _image_spec(spec: specs.Array) -> specs.BoundedArray:
    """The canonical spec of an observation that is an image."""
    shape = spec.shape if len(spec.shape) == 3 else (*spec.shape, 1)
    maximum = int(np.max(spec.maximum)) if isinstance(spec, specs.BoundedArray) else 255
    return specs.BoundedArray(shape, np.uint8, 0, max(maximum, 1), name="observation")


def _flattened_spec(spec: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(spec, Mapping):
        for key, value in spec.items():
            yield from _flattened_spec(value, (*path, key))
    elif isinstance(spec, (list, tuple)):
        for i, value in enumerate(spec):
            yield from _flattened_spec(value, (*path, i))
    else:
        yield path, spec


def structure_mismatch(spec: Any, value: Any, label: str = "the observation") -> str:
    """How a nested observation's structure differs from its spec; empty if it does not."""
    if isinstance(spec, Mapping):
        if not isinstance(value, Mapping):
            return f"{label} must be a mapping, not a {type(value).__name__}"
        if value.keys() != spec.keys():
            return f"{label} has the keys {list(value)}, not {list(spec)} as its spec says"
        parts: Any = spec.items()
    elif isinstance(spec, (list, tuple)):
        if not isinstance(value, (list, tuple)) or len(value) != len(spec):
            return f"{label} must be a sequence of {len(spec)}, as its spec says"
        parts = enumerate(spec)
    else:
        return ""
    mismatches = (structure_mismatch(part, value[key], f"{label}[{key!r}]") for key, part in parts)
    return next(filter(None, mismatches), "")


def check_scalar(name: str, kind: str, spec: Any) -> None:
    """Raises `InvalidEnvironmentError` unless a spec is a scalar's."""
    if not isinstance(spec, specs.Array) or spec.shape != () or spec.dtype.kind not in "fiu":
        raise InvalidEnvironmentError(
            f"{name}: its {kind} must be one number, but its {kind} spec is {spec!r}."
        )
