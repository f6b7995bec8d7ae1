"""Maps actions in canonical form, from [-1, 1] or finite sets, to an environment's own."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from dm_env import specs

from quinoa.environments.finite_action_map import FiniteActionMap, ProductActionMap

# How far beyond a bound rounding may carry an action, as a part of half the range.
_ROUNDING = 1e-4


class ActionMap:
    """Maps [-1, 1]^A affinely to the bounds of an environment's actions, their shape and dtype."""

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: npt.DTypeLike,
        low: npt.NDArray[np.float64],
        high: npt.NDArray[np.float64],
    ) -> None:
        """Takes the fields of the environment's action spec.

        Args:
            shape: the shape of the environment's actions, with A elements.
            dtype: their dtype.
            low: float64 [A], the lower bounds, to which -1 is mapped.
            high: float64 [A], the upper bounds, to which 1 is mapped.
        """
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.low = low
        self.high = high
        self._middle = low + (high - low) / 2
        self._half_range = (high - low) / 2
        self._rescales = bool((low != -1).any() or (high != 1).any())

    @property
    def key(self) -> tuple[Any, ...]:
        """Everything that the mapping depends on, for comparing mappings."""
        return (self.shape, self.dtype, tuple(self.low), tuple(self.high))

    @property
    def spec(self) -> specs.BoundedArray:
        """The spec of actions in canonical form."""
        return specs.BoundedArray(self.low.shape, np.float32, -1.0, 1.0, name="action")

    def __call__(self, actions: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Maps actions `[..., A]` within [-1, 1]; the result `[..., *shape]` is a new array."""
        if self._rescales:
            own = self._middle + self._half_range * actions
            # Rounding alone can carry an action of 1 past the bound.
            np.minimum(np.maximum(own, self.low, out=own), self.high, out=own)
        else:
            own = actions
        own = own.astype(self.dtype)
        if self.shape != self.low.shape:
            own = own.reshape((*actions.shape[:-1], *self.shape))
        mapped: npt.NDArray[Any] = own
        return mapped

    def checked(
        self, actions: npt.ArrayLike, leading: tuple[int, ...], name: str
    ) -> npt.NDArray[Any]:
        """Checks actions and clips them to [-1, 1].

        Args:
            actions: [*leading, A].
            leading: their leading shape.
            name: what takes them, for the error's message.

        Returns:
            Float32 [*leading, A].

        Raises:
            ValueError: the actions have another shape, or are not finite.
        """
        array, shape = np.asarray(actions, np.float32), (*leading, *self.low.shape)
        if array.shape != shape:
            raise ValueError(f"{name} takes actions of shape {shape}, not {array.shape}.")
        # False for NaN, which is handled below.
        if np.maximum.reduce(np.abs(array), axis=None) <= 1:
            return array
        if not np.isfinite(array).all():
            index = [int(i) for i in np.argwhere(~np.isfinite(array))[0]]
            raise ValueError(
                f"{name} was given an action that is not finite: {array[tuple(index)]} at {index}."
            )
        return np.clip(array, np.float32(-1), np.float32(1))

    def clipped(self, actions: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Clips actions, [..., A], to [-1, 1], without checking them."""
        return np.clip(actions, np.float32(-1), np.float32(1))

    def canonical(self, actions: npt.ArrayLike) -> npt.NDArray[Any]:
        """Maps B of the environment's own actions back to canonical ones: what `__call__` undoes.

        Args:
            actions: [B, *shape], within the bounds but for rounding.

        Returns:
            Float32 [B, A] in [-1, 1]. Where both bounds are the same, it is 0.

        Raises:
            ValueError: they have another shape, are not finite, or are outside the bounds.
        """
        array = np.asarray(actions, np.float64)
        if array.shape[1:] != self.shape:
            raise ValueError(f"actions have the shape {array.shape[1:]}, not {self.shape}")
        flat = array.reshape(len(array), -1)
        if not np.isfinite(flat).all():
            raise ValueError("an action is not finite")
        wide = self._half_range > 0
        scaled = np.divide(flat - self._middle, self._half_range, np.zeros_like(flat), where=wide)
        if scaled.size and np.abs(scaled).max() > 1 + _ROUNDING:
            row, column = np.unravel_index(np.abs(scaled).argmax(), scaled.shape)
            raise ValueError(
                f"an action is {flat[row, column]:g}, and not from {self.low[column]:g} to "
                f"{self.high[column]:g}"
            )
        return self.clipped(scaled.astype(np.float32))


AnyActionMap: TypeAlias = ActionMap | FiniteActionMap | ProductActionMap


def action_map_of(spec: specs.BoundedArray) -> AnyActionMap:
    """The mapping for an environment's own action spec, as `checked_action_spec` returns it."""
    if isinstance(spec, specs.DiscreteArray):
        return FiniteActionMap(spec.dtype, spec.num_values)
    low, high = (
        np.broadcast_to(bound, spec.shape).ravel() for bound in (spec.minimum, spec.maximum)
    )
    if spec.dtype.kind not in "iu":
        return ActionMap(spec.shape, spec.dtype, low.astype(float), high.astype(float))
    first = low.astype(np.int64)
    numbers = high.astype(np.int64) - first + 1
    if spec.shape == ():
        return FiniteActionMap(spec.dtype, int(numbers[0]), int(first[0]))
    return ProductActionMap(spec.shape, spec.dtype, numbers, first)


def uniform_actions(
    spec: specs.BoundedArray, rng: np.random.Generator, *leading: int
) -> npt.NDArray[Any]:
    """Draws uniformly distributed actions.

    Args:
        spec: of actions in canonical form.
        rng: draws them.
        *leading: their leading shape.

    Returns:
        Float32 [*leading, A] in [-1, 1]; int32 [*leading] where the spec is a finite set's, and
        int32 [*leading, K] where it is that of K choices.
    """
    if isinstance(spec, specs.DiscreteArray):
        return rng.integers(spec.num_values, size=leading, dtype=np.int32)
    if spec.dtype == np.int32:
        return rng.integers(spec.maximum + 1, size=(*leading, *spec.shape), dtype=np.int32)
    return rng.uniform(-1.0, 1.0, (*leading, *spec.shape)).astype(np.float32)
