"""What an environment's actions are, a box or finite sets, and how numbers encode them."""

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
        return _integers(numbers[..., 0])

    def __str__(self) -> str:
        """The set in words, as a message names it."""
        return f"one of {self.number}"


@dataclasses.dataclass(frozen=True)
class FiniteProduct:
    """Actions int32 [K], K choices at once: choice k is from 0 to n_k − 1.

    Attributes:
        numbers: n_1, ..., n_K, each at most 2²⁴.
    """

    numbers: tuple[int, ...]

    @property
    def width(self) -> int:
        """How many float32 numbers encode an action: K, their indices."""
        return len(self.numbers)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one action."""
        return (len(self.numbers),)

    def encode(self, actions: Any) -> Any:
        """The numbers that encode actions, [..., K], from int32 [..., K]."""
        return actions

    def decode(self, numbers: Any) -> Any:
        """The actions that numbers encode: the inverse of `encode`; NumPy or TensorFlow."""
        return _integers(numbers)

    def __str__(self) -> str:
        """The set in words, as a message names it."""
        each = ", ".join(map(str, self.numbers))
        return f"{len(self.numbers)} choices at once, from {each}"


def _integers(numbers: Any) -> Any:
    """Numbers as int32; NumPy or TensorFlow."""
    if isinstance(numbers, np.ndarray):
        return numbers.astype(np.int32)
    import tensorflow as tf

    return tf.cast(numbers, tf.int32)


ActionSet: TypeAlias = Box | FiniteSet | FiniteProduct


def action_set(spec: Any) -> ActionSet:
    """What the actions of a canonical environment are.

    Args:
        spec: of its actions: a `DiscreteArray`, or a `BoundedArray` of float32 [A] between -1
            and 1, or of int32 [K] from 0 on.

    Raises:
        ValueError: it is none of these.
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
    if (
        isinstance(spec, specs.BoundedArray)
        and spec.dtype == np.int32
        and len(spec.shape) == 1
        and spec.shape[0] > 0
        and np.all(spec.minimum == 0)
    ):
        last = np.broadcast_to(spec.maximum, spec.shape)
        return FiniteProduct(tuple(int(value) + 1 for value in last))
    raise ValueError(f"{spec!r} is neither a box of actions nor a finite set, or several.")
