"""What an environment's actions are, a box or a finite set, and how numbers encode them."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeAlias

import numpy as np
from dm_env import specs


@dataclasses.dataclass(frozen=True)
class Box:
    """Actions float32 [A], each component in [-1, 1].

    Attributes:
        size: A.
    """

    size: int

    @property
    def width(self) -> int:
        """How many float32 numbers encode an action."""
        return self.size

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one action."""
        return (self.size,)

    def encode(self, actions: Any) -> Any:
        """The numbers that encode actions, float32 [..., width], from [..., *shape]."""
        return actions

    def decode(self, numbers: Any) -> Any:
        """The actions that numbers encode: the inverse of `encode`; NumPy or TensorFlow."""
        return numbers

    def __str__(self) -> str:
        """The set in words, as a message names it."""
        return f"float32 vectors [{self.size}] in [-1, 1]"


@dataclasses.dataclass(frozen=True)
class FiniteSet:
    """Actions int32 [], from 0 to n − 1.

    Attributes:
        number: n, at most 2²⁴: as many as float32 holds exactly.
    """

    number: int

    @property
    def width(self) -> int:
        """How many float32 numbers encode an action: one, its index."""
        return 1

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one action."""
        return ()

    def encode(self, actions: Any) -> Any:
        """The numbers that encode actions, [..., 1], from int32 [...]."""
        return actions[..., None]

    def decode(self, numbers: Any) -> Any:
        """The actions that numbers encode: the inverse of `encode`; NumPy or TensorFlow."""
        if isinstance(numbers, np.ndarray):
            return numbers[..., 0].astype(np.int32)
        import tensorflow as tf

        return tf.cast(numbers[..., 0], tf.int32)

    def __str__(self) -> str:
        """The set in words, as a message names it."""
        return f"one of {self.number}"


ActionSet: TypeAlias = Box | FiniteSet


def action_set(spec: Any) -> ActionSet:
    """What the actions of a canonical environment are.

    Args:
        spec: of its actions: a `DiscreteArray`, or a `BoundedArray` of float32 [A] between -1
            and 1.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(spec, specs.DiscreteArray):
        return FiniteSet(spec.num_values)
    if (
        isinstance(spec, specs.BoundedArray)
        and spec.dtype == np.float32
        and len(spec.shape) == 1
        and spec.shape[0] > 0
        and np.all(spec.minimum == -1)
        and np.all(spec.maximum == 1)
    ):
        return Box(spec.shape[0])
    raise ValueError(f"{spec!r} is neither a box nor a finite set of actions.")
