"""The cutting of transitions' streams into rollouts: segments without gaps, of one length."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from quinoa.agents.rows import LAST_OF_EPISODE, RowLayout, Rows
from quinoa.agents.types import Transition


class RolloutBuffer:
    """Gathers L transitions of each of N environments, again and again.

    A row that is no transition is left out, and its environment has its L transitions a step later
    than the others, whose transitions are dropped meanwhile: they would have been acted with
    parameters that the next segment is not for. Where an episode broke off, the transition before
    is its last, and keeps its discount, for the episode might have continued.
    """

    def __init__(self, num_environments: int, segment_length: int, layout: RowLayout) -> None:
        """Makes an empty buffer for N environments, segments of length L and rows laid out so."""
        self._layout = layout
        self._shape = (num_environments, segment_length, layout.width)
        self._block = np.empty(self._shape, layout.dtype)
        self._lengths = np.zeros(num_environments, np.int64)

    def append(
        self, transitions: Transition, valid: npt.NDArray[np.bool_] | None = None
    ) -> Rows | None:
        """Adds one transition of each environment that lacks some.

        Args:
            transitions: leading shape [N].
            valid: bool [N], False for a row that is no transition. None where every row is one.

        Returns:
            N segments, [N, L, W], in the environments' order, where all are complete now; else
            None. They are the caller's to keep.

        Raises:
            ValueError: a field has another shape.
        """
        count, length, _ = self._shape
        self._layout.check(transitions, count)
        lacking = self._lengths < length
        if valid is not None:
            (broken,) = np.nonzero(lacking & ~valid & (self._lengths > 0))
            self._block[broken, self._lengths[broken] - 1, -1] = LAST_OF_EPISODE
            lacking &= valid
        (chosen,) = np.nonzero(lacking)
        self._block[chosen, self._lengths[chosen]] = self._layout.pack(transitions)[chosen]
        self._lengths[chosen] += 1
        if self._lengths.min() < length:
            return None
        segments, self._block = self._block, np.empty(self._shape, self._layout.dtype)
        self._lengths[:] = 0
        return segments
