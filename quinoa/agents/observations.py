"""What an environment's observations are, vectors or images, by their shapes and dtypes."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from dm_env import specs


@dataclasses.dataclass(frozen=True)
class Vector:
    """Observations float32 [O].

    Attributes:
        size: O.
    """

    size: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one observation."""
        return (self.size,)

    def __str__(self) -> str:
        """The set in words, as a message names it."""
        return f"float32 vectors [{self.size}]"


@dataclasses.dataclass(frozen=True)
class Image:
    """Observations uint8 [H, W, C].

    Attributes:
        height: H.
        width: W.
        channels: C: colours, objects of a board, or frames in the order of time.
        maximum: the greatest value of a pixel; the least is 0.
    """

    height: int
    width: int
    channels: int
    maximum: int = 255

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one observation."""
        return (self.height, self.width, self.channels)

    def __str__(self) -> str:
        """The set in words, as a message names it."""
        return f"images, uint8 {list(self.shape)}"


ObservationSet: TypeAlias = Vector | Image


def observation_set(spec: Any) -> ObservationSet:
    """What the observations of a canonical environment are.

    Args:
        spec: of its observations: an `Array` of float32 [O], or of uint8 [H, W, C]; of a
            `BoundedArray` of the latter, the greatest bound is the maximum.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(spec, specs.Array) and all(spec.shape):
        if spec.dtype == np.float32 and len(spec.shape) == 1:
            return Vector(spec.shape[0])
        if spec.dtype == np.uint8 and len(spec.shape) == 3:
            bounded = isinstance(spec, specs.BoundedArray)
            height, width, channels = spec.shape
            return Image(height, width, channels, int(np.max(spec.maximum)) if bounded else 255)
    raise ValueError(f"{spec!r} is the spec neither of vectors nor of images.")


def dtype_of(batch_shape: tuple[int, ...]) -> npt.DTypeLike:
    """The dtype of a batch of observations: float32 of [N, O], uint8 of [N, H, W, C]."""
    return np.float32 if len(batch_shape) == 2 else np.uint8
