"""How replay stores images: each plane once in a segment, however often it appears there.

A plane is one channel of an image, uint8 [H, W]. In a segment, most planes appear again and again:
an observation is the next observation of the row before; of stacked frames all but the newest are
those of the image before; and of a board some channels do not change. So a segment is its different
planes, and rows that have the numbers of planes in place of pixels. Planes are compared by all
their bytes, so this holds however an environment stacks its frames, whatever n-step returns skip,
and where an episode ends.

What it costs: a segment of L transitions of one episode has at most L + C planes where images are C
stacked frames, so that a transition costs 1 + C / L frames: 1.25 of 84 × 84, with four frames and
the default L of 16, in place of 8. (Dopamine's circular buffer has 1, and cannot evict or send
single segments; references to shared steps in Reverb have 1 too, at the cost of a chunk a frame.)
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from quinoa.agents.observations import Image
from quinoa.agents.rows import RowLayout, Rows, valid
from quinoa.agents.types import Transition
from quinoa.config.fields import require

Bytes = npt.NDArray[np.uint8]

# The pixels of a plane that count as many.
_LARGE = 1024

# The numbers of planes are of this type, as two bytes each in a row.
_NUMBER = np.uint16
Numbers = npt.NDArray[np.uint16]


class StoredSegment(NamedTuple):
    """A segment as replay stores it.

    Attributes:
        rows: uint8 [L, W']: the numbers of the planes of s and s', C each, and the rest of a row.
        planes: uint8 [F, H, W], all different.
    """

    rows: Bytes
    planes: Bytes


class SharedPlanes:
    """Takes segments of images apart, and puts transitions of them together again.

    Attributes:
        layout: of the rows that segments are made of.
        width: W', the length of a stored row.
        block_shape: [P, H, W], the shape of the blocks in which planes are sent. P is L + C, as
            many as C stacked frames make in a segment of one episode; of small planes, which cost
            less than a second block, C for each image of such a segment.
        max_blocks: the most blocks of one segment.
    """

    def __init__(self, layout: RowLayout, segment_length: int) -> None:
        """Makes the form of segments of length L.

        Args:
            layout: of their rows.
            segment_length: L.

        Raises:
            TypeError: the layout's observations are no images.
            ConfigError: a segment may have more planes than there are numbers for.
        """
        image = layout.observations
        if not isinstance(image, Image):
            raise TypeError(f"There are no planes in {image}.")
        self.layout = layout
        self._image = image
        # C of s, then C of s'.
        self._num_planes = 2 * image.channels
        self._numbers_width = self._num_planes * np.dtype(_NUMBER).itemsize
        self._pixels = self._num_planes * image.height * image.width
        self.width = self._numbers_width + layout.width - self._pixels
        num_most = segment_length * self._num_planes
        most = int(np.iinfo(_NUMBER).max)
        require(
            num_most <= most,
            "segment_length",
            segment_length,
            f"at most {most // self._num_planes} for images of {image.channels} channels",
        )
        is_large = image.height * image.width >= _LARGE
        block = segment_length + image.channels
        if not is_large:
            block = (segment_length + 1) * image.channels
        self.block_shape = (block, image.height, image.width)
        self.max_blocks = math.ceil(num_most / block)

    def split(self, segment: Rows) -> StoredSegment:
        """Takes apart a segment, uint8 [L, W]; rows of padding stay zeros, and add no plane."""
        is_valid = valid(segment)
        # A view, where it can be: a copy of so many bytes takes as long as all the rest.
        rows_of_images = segment if is_valid.all() else segment[is_valid]
        height, width, channels = self._image.shape
        images = rows_of_images[:, : self._pixels].reshape(-1, 2, height * width, channels)
        places: dict[bytes, int] = {}
        number = _number_small if height * width < _LARGE else _number_large
        numbers = number(images, places)
        rows = np.zeros((len(segment), self.width), np.uint8)
        rows[:, self._numbers_width :] = segment[:, self._pixels :]
        of_rows = numbers.reshape(-1, self._num_planes)
        rows[is_valid, : self._numbers_width] = of_rows.view(np.uint8)
        planes = np.frombuffer(b"".join(places), np.uint8).reshape(-1, height, width)
        return StoredSegment(rows, planes)

    def blocks(self, planes: Bytes) -> Bytes:
        """The planes of a segment in blocks, uint8 [M, P, H, W], the last one padded by zeros."""
        number = max(math.ceil(len(planes) / self.block_shape[0]), 1)
        blocks = np.zeros((number * self.block_shape[0], *self.block_shape[1:]), np.uint8)
        blocks[: len(planes)] = planes
        return blocks.reshape(number, *self.block_shape)

    def numbers(self, rows: Any) -> Any:
        """The numbers of planes of stored rows [..., W'], [..., 2 C]; NumPy or TensorFlow."""
        found = rows[..., : self._numbers_width]
        if isinstance(rows, np.ndarray):
            return np.ascontiguousarray(found).view(_NUMBER)
        import tensorflow as tf

        pairs = tf.reshape(found, [*found.shape[:-1], self._num_planes, -1])
        return tf.cast(tf.bitcast(pairs, tf.uint16), tf.int32)

    def join(self, rows: Any, planes: Any) -> Transition:
        """Puts transitions together.

        Args:
            rows: stored rows, uint8 [..., W'], NumPy or TensorFlow.
            planes: of each row, uint8 [..., 2 C, H, W], those that its numbers say.

        Returns:
            Leading shape [...].
        """
        rank = len(rows.shape) - 1
        order = [*range(rank), rank + 1, rank + 2, rank]
        channels = self._image.channels
        halves = planes[..., :channels, :, :], planes[..., channels:, :, :]
        if isinstance(rows, np.ndarray):
            images = [np.ascontiguousarray(np.transpose(half, order)) for half in halves]
        else:
            import tensorflow as tf

            images = [tf.transpose(half, order) for half in halves]
        return self.layout.unpack_numbers(rows, *images)


def of(layout: RowLayout, segment_length: int) -> SharedPlanes | None:
    """The form of stored segments of length L; None where observations are vectors."""
    if isinstance(layout.observations, Image):
        return SharedPlanes(layout, segment_length)
    return None


def _number_small(images: Bytes, places: dict[bytes, int]) -> Numbers:
    """Numbers the planes of images by what they are.

    Args:
        images: uint8 [R, 2, H · W, C], in the order of time.
        places: the numbers of the planes so far, to which the new ones are added.

    Returns:
        The numbers, C of each image, one after the other in any shape.
    """
    size, channels = images.shape[2:]
    planes = np.ascontiguousarray(images.transpose(0, 1, 3, 2)).reshape(-1, channels, size)
    # Most are those of the image before, which all comparisons at once find faster than looking
    # each one up.
    words = planes.view(np.uint32 if size % 4 == 0 else np.uint8)
    is_new = np.ones((len(planes), channels), np.bool_)
    np.logical_or.reduce(words[1:] != words[:-1], axis=-1, out=is_new[1:])
    data = planes.tobytes()
    found = [
        places.setdefault(data[start : start + size], len(places))
        for start in (np.flatnonzero(is_new) * size).tolist()
    ]
    # Of the others, the number is that of the last new plane of their channel.
    place = np.zeros(is_new.shape, np.intp)
    place[is_new] = np.arange(len(found))
    np.maximum.accumulate(place, axis=0, out=place)
    numbers: Numbers = np.array(found, _NUMBER)[place]
    return numbers


def _number_large(images: Bytes, places: dict[bytes, int]) -> Numbers:
    """The same where comparing a plane costs less than looking it up.

    Most images are the one before, or that one's frames but for the oldest and a new one.
    """
    numbers: list[int] = []
    channels = range(images.shape[3])
    previous: Bytes | None = None
    of_previous: list[int] = []
    for image in itertools.chain.from_iterable(images):
        first = 0
        if previous is not None:
            if np.array_equal(image, previous):
                numbers += of_previous
                continue
            later = [np.array_equal(image[:, k], previous[:, k + 1]) for k in channels[:-1]]
            first = len(channels) - 1 if all(later) else 0
        known = of_previous[1:] if first else []
        of_previous = known + [
            places.setdefault(np.ascontiguousarray(image[:, k]).tobytes(), len(places))
            for k in channels[first:]
        ]
        numbers += of_previous
        previous = image
    return np.array(numbers, _NUMBER)
