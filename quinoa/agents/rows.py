"""How transitions are laid out as rows: the one place that knows.

A row is observation, action, reward, discount, next observation, the agent's extras and a flag, one
after the other: W = 2·O + A + 3 numbers of float32 and the extras', where A is the width of an
action's encoding. The flag tells padding from transitions and those that end an episode from the
others, so that no agent's rows are wider for it. One matrix an item keeps Reverb's costs for a
column to one, and because a row carries its own next observation, a segment may run on across an
episode's end.

Where observations are images, a row is bytes: the pixels of both images, then the numbers, four
bytes each, and a flag of one byte. Replay does not store such rows as they are
(`quinoa.agents.replay.planes`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from dm_env import specs

from quinoa.agents.actions import action_set
from quinoa.agents.observations import Image, observation_set
from quinoa.agents.types import Transition

if TYPE_CHECKING:
    from acme.specs import EnvironmentSpec

FloatArray = npt.NDArray[np.float32]
# Float32 or uint8, see `RowLayout.dtype`.
Rows = npt.NDArray[Any]

# The last number of a row.
PADDING, WITHIN_EPISODE, LAST_OF_EPISODE = 0, 1, 2


class RowLayout:
    """Which numbers of a row are what, for one environment and agent.

    Attributes:
        observations: what the environment's observations are.
        width: W, the length of a row.
        dtype: of rows: float32, or uint8 where observations are images.
    """

    def __init__(
        self, spec: EnvironmentSpec, extras: Mapping[str, specs.Array] | None = None
    ) -> None:
        """Lays out the rows of a canonical environment.

        Args:
            spec: of the environment.
            extras: what `Agent.extras_spec` declares, by name; None where the agent adds nothing.
        """
        self._actions = action_set(spec.actions)
        self.observations = observation_set(spec.observations)
        self._extra_shapes = {name: tuple(of.shape) for name, of in (extras or {}).items()}
        size = math.prod(self.observations.shape)
        # The sizes of the parts before the extras: where observations are images, these parts but
        # the images are of what the numbers are in a row of bytes.
        is_image = isinstance(self.observations, Image)
        sizes = [0 if is_image else size, self._actions.width, 1, 1, 0 if is_image else size]
        sizes += [math.prod(shape) for shape in self._extra_shapes.values()]
        ends = np.cumsum(sizes).tolist()
        parts = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        self._observation, self._action, reward, discount, self._next_observation = parts[:5]
        self._reward, self._discount = reward.start, discount.start
        self._extras = dict(zip(self._extra_shapes, parts[5:], strict=True))
        self.dtype: npt.DTypeLike = np.float32
        self.width: int = ends[-1] + 1
        # The part of a row of bytes that is numbers, and how many numbers.
        self._numbers: slice | None = None
        self._num_numbers: int = ends[-1]
        if is_image:
            self._observation, self._next_observation = slice(0, size), slice(size, 2 * size)
            self._numbers = slice(2 * size, 2 * size + 4 * ends[-1])
            self.dtype, self.width = np.uint8, self._numbers.stop + 1
        # By leading shape.
        self._shapes: dict[tuple[int, ...], Transition] = {}

    @property
    def row_bytes(self) -> int:
        """The bytes of one row."""
        return self.width * np.dtype(self.dtype).itemsize

    @property
    def images(self) -> tuple[slice, slice] | None:
        """The parts of a row that are the pixels of s and of s', where observations are images."""
        return None if self._numbers is None else (self._observation, self._next_observation)

    def shapes(self, *leading: int) -> Transition:
        """The shapes of transitions' fields with this leading shape."""
        observation = (*leading, *self.observations.shape)
        return Transition(
            observation=observation,
            action=(*leading, *self._actions.shape),
            reward=leading,
            discount=leading,
            next_observation=observation,
            last=leading,
            extras={name: (*leading, *shape) for name, shape in self._extra_shapes.items()},
        )

    def check(self, transitions: Transition, *leading: int) -> None:
        """Raises `ValueError` unless every field has its shape: NumPy would broadcast another."""
        wanted = self._shapes.get(leading)
        if wanted is None:
            wanted = self._shapes[leading] = self.shapes(*leading)
        # An actor does this at each step: `tf.nest` would take a tenth of its time.
        found = Transition(
            _shape(transitions.observation),
            _shape(transitions.action),
            _shape(transitions.reward),
            _shape(transitions.discount),
            _shape(transitions.next_observation),
            _shape(transitions.last),
            {name: _shape(values) for name, values in transitions.extras.items()},
        )
        if found != wanted:
            raise ValueError(
                f"The transitions have the shapes {found._asdict()}, not {wanted._asdict()}."
            )

    def pack(self, transitions: Transition) -> Rows:
        """Makes rows, [..., W], of transitions of any leading shape [...]."""
        rows = np.empty((*np.shape(transitions.reward), self.width), self.dtype)
        self.write(transitions, rows)
        return rows

    def write(self, transitions: Transition, rows: Rows) -> None:
        """Writes transitions of leading shape [...] into rows, [..., W]."""
        leading = rows.shape[:-1]
        observation, next_observation = transitions.observation, transitions.next_observation
        numbers: Rows = rows
        if self._numbers is not None:
            numbers = np.empty((*leading, self._num_numbers), np.float32)
            observation = np.reshape(observation, (*leading, -1))
            next_observation = np.reshape(next_observation, (*leading, -1))
        rows[..., self._observation] = observation
        numbers[..., self._action] = self._actions.encode(transitions.action)
        numbers[..., self._reward] = transitions.reward
        numbers[..., self._discount] = transitions.discount
        rows[..., self._next_observation] = next_observation
        for name, part in self._extras.items():
            values = transitions.extras[name]
            numbers[..., part] = np.reshape(values, (*leading, part.stop - part.start))
        if self._numbers is not None:
            rows[..., self._numbers] = numbers.view(np.uint8)
        rows[..., -1] = WITHIN_EPISODE + transitions.last

    def unpack(self, rows: Any) -> Transition:
        """Reads transitions from rows.

        Args:
            rows: [..., W], NumPy or TensorFlow.

        Returns:
            Mostly slices of `rows`, leading shape [...]. Rows of padding are not told apart: see
            `valid`. Rows that were saved before rows had `last` have it False throughout.
        """
        observation = rows[..., self._observation]
        next_observation = rows[..., self._next_observation]
        if self._numbers is not None:
            observation = _reshaped(observation, *self.observations.shape)
            next_observation = _reshaped(next_observation, *self.observations.shape)
        return self.unpack_numbers(rows, observation, next_observation)

    def unpack_numbers(self, rows: Any, observation: Any, next_observation: Any) -> Transition:
        """The same where observations have been read already, leading shape [...].

        Of rows of bytes, those before the numbers may then be missing.
        """
        numbers = rows if self._numbers is None else _floats(rows, self._num_numbers)
        return Transition(
            observation=observation,
            action=self._actions.decode(numbers[..., self._action]),
            reward=numbers[..., self._reward],
            discount=numbers[..., self._discount],
            next_observation=next_observation,
            last=rows[..., -1] == LAST_OF_EPISODE,
            extras={name: self._extra(numbers, name, part) for name, part in self._extras.items()},
        )

    def _extra(self, rows: Any, name: str, part: slice) -> Any:
        numbers, shape = rows[..., part], self._extra_shapes[name]
        if not shape:
            return numbers[..., 0]
        return numbers if len(shape) == 1 else _reshaped(numbers, *shape)


def _reshaped(values: Any, *shape: int) -> Any:
    """Values [..., D] as [..., *shape], NumPy or TensorFlow."""
    if isinstance(values, np.ndarray):
        return values.reshape((*values.shape[:-1], *shape))
    import tensorflow as tf

    leading = values.shape[:-1]
    if leading.is_fully_defined():
        return tf.reshape(values, [*leading, *shape])
    return tf.reshape(values, tf.concat([tf.shape(values)[:-1], shape], axis=0))


def _floats(rows: Any, number: int) -> Any:
    """The float32 numbers, [..., number], before the flag of rows of bytes."""
    found = rows[..., -1 - 4 * number : -1]
    if isinstance(rows, np.ndarray):
        return np.ascontiguousarray(found).view(np.float32)
    import tensorflow as tf

    return tf.bitcast(_reshaped(found, number, 4), tf.float32)


def _shape(values: Any) -> tuple[int, ...]:
    # `np.shape` takes a microsecond for each of them.
    return values.shape if isinstance(values, np.ndarray) else np.shape(values)


def valid(rows: Any) -> Any:
    """Whether a row is a transition and not padding, bool [...], of rows [..., W]."""
    return rows[..., -1] > PADDING
