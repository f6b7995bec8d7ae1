"""The cutting of transitions' streams into segments, each of which is one replay item."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from quinoa.agents.rows import RowLayout, Rows
from quinoa.agents.rows import valid as valid_rows
from quinoa.agents.types import Transition


class SegmentBuffer:
    """Cuts the streams of N environments in segments of L transitions, all N in lockstep."""

    def __init__(
        self,
        num_environments: int,
        segment_length: int,
        layout: RowLayout,
        *,
        reuses_memory: bool = False,
    ) -> None:
        """Makes an empty buffer.

        Args:
            num_environments: N.
            segment_length: L.
            layout: of rows.
            reuses_memory: whether segments are the caller's until the next call alone, which writes
                over them. New memory is slow where rows are large, as those of images.
        """
        self._layout = layout
        self._reuses_memory = reuses_memory
        self._block_shape = (num_environments, segment_length, layout.width)
        self._block = np.empty(self._block_shape, self._layout.dtype)
        self._length = 0
        self._has_gaps = False

    def append(
        self, transitions: Transition, valid: npt.NDArray[np.bool_] | None = None
    ) -> list[Rows]:
        """Adds one transition of each environment.

        Args:
            transitions: leading shape [N].
            valid: bool [N], False for a row that is no transition: in its place is one of padding,
                so that all stay in lockstep. None where every row is one.

        Returns:
            The segments that this completes, [L, W] each, in the environments' order: N of
            them (fewer where one has nothing but padding), or none. They are the caller's to keep,
            unless memory is reused.

        Raises:
            ValueError: a field has another shape.
        """
        self._layout.check(transitions, self._block_shape[0])
        self._layout.write(transitions, self._block[:, self._length])
        if valid is not None:
            self._block[~valid, self._length] = 0
            self._has_gaps = True
        self._length += 1
        if self._length < self._block_shape[1]:
            return []
        return self._take()

    def flush(self) -> list[Rows]:
        """Ends the segments that are under way.

        Returns:
            Segments [L, W] padded with rows of zeros, as many as `append` returns, or none
            if none has begun.
        """
        if not self._length:
            return []
        self._block[:, self._length :] = 0
        return self._take()

    def _take(self) -> list[Rows]:
        segments = list(self._block)
        if self._has_gaps:
            segments = [segment for segment in segments if valid_rows(segment).any()]
            self._has_gaps = False
        if not self._reuses_memory:
            self._block = np.empty(self._block_shape, self._layout.dtype)
        self._length = 0
        return segments
