"""Maps actions in canonical form, from finite sets or products of them, to an environment's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from dm_env import specs


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


def _shaped(actions: npt.ArrayLike, shape: tuple[int, ...], name: str) -> npt.NDArray[Any]:
    array = np.asarray(actions)
    if array.shape != shape:
        raise ValueError(f"{name} takes actions of shape {shape}, not {array.shape}.")
    return array


def _are_not_below(array: npt.NDArray[Any], number: Any) -> npt.NDArray[np.bool_]:
    """Where numbers are none of 0, ..., n − 1, NaN and fractions included."""
    wrong: npt.NDArray[np.bool_] = ~((array >= 0) & (array < number) & (array == np.floor(array)))
    return wrong
