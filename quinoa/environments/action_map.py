"""Maps actions from [-1, 1] to an environment's own bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


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

    def __call__(self, actions: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
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
