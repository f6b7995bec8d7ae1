"""Transitions as rows of one matrix, and the cutting of their streams into segments.

A row is observation, action, reward, discount, next observation and `valid`, one after the other:
W = 2·O + A + 3 numbers. One matrix an item keeps Reverb's costs for a column to one, and because a
row carries its own next observation, a segment may run on across the end of an episode.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from acme import specs

from quinoa.agents.types import Transition

FloatArray = npt.NDArray[np.float32]


def row_width(spec: specs.EnvironmentSpec) -> int:
    """W, the length of a row for an environment of this (canonical) spec."""
    return int(2 * spec.observations.shape[0] + spec.actions.shape[0] + 3)


def pack(transitions: Transition) -> FloatArray:
    """Makes rows of transitions.

    Args:
        transitions: any leading shape [...].

    Returns:
        float32 [..., W], `valid` 1 in every row.
    """
    observation_size = np.shape(transitions.observation)[-1]
    action_size = np.shape(transitions.action)[-1]
    rows = np.empty(
        (*np.shape(transitions.reward), 2 * observation_size + action_size + 3), np.float32
    )
    _write(transitions, rows, observation_size, action_size)
    return rows


def unpack(rows: Any, spec: specs.EnvironmentSpec) -> Transition:
    """Reads transitions from rows.

    Args:
        rows: float32 [..., W], NumPy or TensorFlow.
        spec: the spec of the environment they come from.

    Returns:
        Slices of `rows`, leading shape [...]. Rows of padding are not told apart: see `valid`.
    """
    observation_size, action_size = spec.observations.shape[0], spec.actions.shape[0]
    reward = observation_size + action_size
    return Transition(
        observation=rows[..., :observation_size],
        action=rows[..., observation_size:reward],
        reward=rows[..., reward],
        discount=rows[..., reward + 1],
        next_observation=rows[..., reward + 2 : -1],
    )


def valid(rows: Any) -> Any:
    """1 where a row is a transition and 0 where it is padding, float32 [...]."""
    return rows[..., -1]


class SegmentBuffer:
    """Cuts the streams of N environments in segments of L transitions, all N in lockstep."""

    def __init__(
        self, num_environments: int, segment_length: int, spec: specs.EnvironmentSpec
    ) -> None:
        """Makes an empty buffer for N environments of this spec and segments of length L."""
        self._sizes = spec.observations.shape[0], spec.actions.shape[0]
        scalar, observation, action = (
            (num_environments, *shape)
            for shape in ((), spec.observations.shape, spec.actions.shape)
        )
        # In the order of `Transition`'s fields.
        self._field_shapes = [observation, action, scalar, scalar, observation]
        self._block_shape = (num_environments, segment_length, row_width(spec))
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
        if [np.shape(field) for field in transitions] != self._field_shapes:
            found = {name: np.shape(field) for name, field in transitions._asdict().items()}
            wanted = dict(zip(Transition._fields, self._field_shapes, strict=True))
            raise ValueError(f"The transitions have the shapes {found}, not {wanted}.")
        _write(transitions, self._block[:, self._length], *self._sizes)
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
            segments = [segment for segment in segments if valid(segment).any()]
            self._has_gaps = False
        self._block = np.empty(self._block_shape, np.float32)
        self._length = 0
        return segments


def _write(
    transitions: Transition, rows: FloatArray, observation_size: int, action_size: int
) -> None:
    reward = observation_size + action_size
    rows[..., :observation_size] = transitions.observation
    rows[..., observation_size:reward] = transitions.action
    rows[..., reward] = transitions.reward
    rows[..., reward + 1] = transitions.discount
    rows[..., reward + 2 : -1] = transitions.next_observation
    rows[..., -1] = 1.0
