"""Maps actions in canonical form, from [-1, 1] or finite sets, to an environment's own."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from dm_env import specs

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


class FiniteActionMap:
    """Maps 0, ..., n − 1 to an environment's own actions, which are n consecutive integers."""

    def __init__(self, dtype: npt.DTypeLike, number: int, first: int = 0) -> None:
        """Makes the mapping.

        Args:
            dtype: the dtype of the environment's actions.
            number: n.
            first: the least of the environment's actions, to which 0 is mapped.
        """
        self.shape: tuple[int, ...] = ()
        self.dtype = np.dtype(dtype)
        self.number = number
        self.first = first

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for equal mappings."""
        return (self.dtype, self.number, self.first)

    @property
    def spec(self) -> specs.DiscreteArray:
        """The spec of actions in canonical form."""
        return specs.DiscreteArray(self.number, np.int32, name="action")

    def __call__(self, actions: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Maps actions, int32 [...]; the result is a new array of the same shape."""
        own = actions.astype(self.dtype)
        if self.first:
            own += self.first
        return own

    def checked(
        self, actions: npt.ArrayLike, leading: tuple[int, ...], name: str
    ) -> npt.NDArray[Any]:
        """Checks actions.

        Args:
            actions: integers of shape `leading`.
            leading: their shape.
            name: what takes them, for the error's message.

        Returns:
            Int32 of the same shape.

        Raises:
            ValueError: the actions have another shape, or one is none of 0, ..., n − 1.
        """
        array = _shaped(actions, leading, name)
        wrong = _are_not_below(array, self.number)
        if wrong.any():
            raise ValueError(
                f"{name} takes actions from 0 to {self.number - 1}, not {array[wrong][0]}."
            )
        return array.astype(np.int32)

    def clipped(self, actions: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Returns actions as they are: a finite set has no bounds to exceed."""
        return actions

    def canonical(self, actions: npt.ArrayLike) -> npt.NDArray[Any]:
        """Maps B of the environment's own actions, [B], back to 0, ..., n − 1, int32 [B].

        Raises:
            ValueError: they have another shape, or one is none of the n.
        """
        array = np.asarray(actions)
        if array.ndim != 1:
            raise ValueError(f"actions have the shape {array.shape[1:]}, not ()")
        # In a small dtype the difference may not fit.
        own = (array.astype(np.int64) if array.dtype.kind in "iu" else array) - self.first
        wrong = _are_not_below(own, self.number)
        if wrong.any():
            last = self.first + self.number - 1
            raise ValueError(
                f"an action is {array[wrong][0]}, and not one of {self.first} to {last}"
            )
        return own.astype(np.int32)


class ProductActionMap:
    """Maps K choices to an environment's own actions, arrays of K integers.

    Choice k is from 0 to n_k − 1, and the environment's integer from its least value on.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: npt.DTypeLike,
        numbers: npt.NDArray[np.int64],
        first: npt.NDArray[np.int64],
    ) -> None:
        """Makes the mapping.

        Args:
            shape: the shape of the environment's actions, with K elements.
            dtype: their dtype.
            numbers: n_k, int64 [K].
            first: the least of each of the environment's integers, int64 [K].
        """
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.numbers = numbers
        self.first = first

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for equal mappings."""
        return (self.shape, self.dtype, tuple(self.numbers), tuple(self.first))

    @property
    def spec(self) -> specs.BoundedArray:
        """The spec of actions in canonical form."""
        return specs.BoundedArray(self.numbers.shape, np.int32, 0, self.numbers - 1, name="action")

    def __call__(self, actions: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Maps actions, int32 [..., K]; the result `[..., *shape]` is a new array."""
        own = (actions + self.first).astype(self.dtype)
        return own.reshape((*actions.shape[:-1], *self.shape))

    def checked(
        self, actions: npt.ArrayLike, leading: tuple[int, ...], name: str
    ) -> npt.NDArray[Any]:
        """Checks actions.

        Args:
            actions: integers [*leading, K].
            leading: their leading shape.
            name: what takes them, for the error's message.

        Returns:
            Int32 of the same shape.

        Raises:
            ValueError: the actions have another shape, or a choice is none of its own.
        """
        array = _shaped(actions, (*leading, len(self.numbers)), name)
        wrong = _are_not_below(array, self.numbers)
        if wrong.any():
            index = tuple(np.argwhere(wrong)[0])
            choice = index[-1]
            raise ValueError(
                f"{name} takes actions whose choice {choice} is from 0 to "
                f"{self.numbers[choice] - 1}, not {array[index]}."
            )
        return array.astype(np.int32)

    def clipped(self, actions: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Returns actions as they are: finite sets have no bounds to exceed."""
        return actions

    def canonical(self, actions: npt.ArrayLike) -> npt.NDArray[Any]:
        """Maps B of the environment's own actions, [B, *shape], back to indices, int32 [B, K].

        Raises:
            ValueError: they have another shape, or a choice is none of its own.
        """
        array = np.asarray(actions)
        if array.shape[1:] != self.shape:
            raise ValueError(f"actions have the shape {array.shape[1:]}, not {self.shape}")
        own = array.reshape(len(array), -1) - self.first
        wrong = _are_not_below(own, self.numbers)
        if wrong.any():
            row, choice = np.argwhere(wrong)[0]
            first = self.first[choice]
            raise ValueError(
                f"choice {choice} of an action is {own[row, choice] + first}, and not one of "
                f"{first} to {first + self.numbers[choice] - 1}"
            )
        return own.astype(np.int32)


AnyActionMap: TypeAlias = ActionMap | FiniteActionMap | ProductActionMap


def _shaped(actions: npt.ArrayLike, shape: tuple[int, ...], name: str) -> npt.NDArray[Any]:
    array = np.asarray(actions)
    if array.shape != shape:
        raise ValueError(f"{name} takes actions of shape {shape}, not {array.shape}.")
    return array


def _are_not_below(array: npt.NDArray[Any], number: Any) -> npt.NDArray[np.bool_]:
    """Where numbers are none of 0, ..., n − 1, NaN and fractions included."""
    wrong: npt.NDArray[np.bool_] = ~((array >= 0) & (array < number) & (array == np.floor(array)))
    return wrong


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
