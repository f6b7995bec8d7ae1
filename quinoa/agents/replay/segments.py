"""The cutting of transitions' streams into segments, each of which is one replay item."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from quinoa.agents.rows import FloatArray, RowLayout
from quinoa.agents.rows import valid as valid_rows
from quinoa.agents.types import Transition


class SegmentBuffer:
    """Cuts the streams of N environments in segments of L transitions, all N in lockstep."""

    def __init__(self, num_environments: int, segment_length: int, layout: RowLayout) -> None:
        """Makes an empty buffer for N environments, segments of length L and rows laid out so."""
        self._layout = layout
        self._block_shape = (num_environments, segment_length, layout.width)
        self._block = np.empty(self._block_shape, np.float32)
        self._length = 0
        self._has_gaps = False

    def append(
        self, transitions: Transition, valid: npt.NDArray[np.bool_] | None = None
    ) -> list[FloatArray]:
        """Adds one transition of each environment.

        Args:
            transitions: leading shape [N].
            valid: bool [N], False for a row that is no transition: in its place is one of padding,
                so that all stay in lockstep. None where every row is one.

        Returns:
            The segments that this completes, float32 [L, W] each, in the environments' order: N of
            them (fewer where one has nothing but padding), or none. They are the caller's to keep.

        Raises:
            ValueError: a field has another shape.
        """
        self._layout.check(transitions, self._block_shape[0])
        self._layout.write(transitions, self._block[:, self._length])
        if valid is not None:
            self._block[~valid, self._length] = 0.0
            self._has_gaps = True
        self._length += 1
        if self._length < self._block_shape[1]:
            return []
        return self._take()

    def flush(self) -> list[FloatArray]:
        """Ends the segments that are under way.

        Returns:
            Segments float32 [L, W] padded with rows of zeros, as many as `append` returns, or none
            if none has begun.
        """
        if not self._length:
            return []
        self._block[:, self._length :] = 0.0
        return self._take()

    def _take(self) -> list[FloatArray]:
        segments = list(self._block)
        if self._has_gaps:
            segments = [segment for segment in segments if valid_rows(segment).any()]
            self._has_gaps = False
        self._block = np.empty(self._block_shape, np.float32)
        self._length = 0
        return segments
