"""How transitions are laid out as rows of numbers: the one place that knows.

A row is observation, action, reward, discount, next observation, the agent's extras and a flag, one
after the other: W = 2·O + A + 3 numbers and the extras', where A is the width of an action's
encoding. The flag tells padding from transitions and those that end an episode from the others, so
that no agent's rows are wider for it. One matrix an item keeps Reverb's costs for a column to one,
and because a row carries its own next observation, a segment may run on across an episode's end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from dm_env import specs

from quinoa.agents.actions import action_set
from quinoa.agents.types import Transition

if TYPE_CHECKING:
    from acme.specs import EnvironmentSpec

FloatArray = npt.NDArray[np.float32]

# The last number of a row.
PADDING, WITHIN_EPISODE, LAST_OF_EPISODE = 0.0, 1.0, 2.0


class RowLayout:
    """Which numbers of a row are what, for one environment and agent.

    Attributes:
        width: W, the length of a row.
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
        self._observation_size: int = spec.observations.shape[0]
        self._extra_shapes = {name: tuple(of.shape) for name, of in (extras or {}).items()}
        sizes = [self._observation_size, self._actions.width, 1, 1, self._observation_size]
        sizes += [math.prod(shape) for shape in self._extra_shapes.values()]
        ends = np.cumsum(sizes).tolist()
        parts = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        self._observation, self._action, reward, discount, self._next_observation = parts[:5]
        self._reward, self._discount = reward.start, discount.start
        self._extras = dict(zip(self._extra_shapes, parts[5:], strict=True))
        self.width: int = ends[-1] + 1
        # By leading shape.
        self._shapes: dict[tuple[int, ...], Transition] = {}

    def shapes(self, *leading: int) -> Transition:
        """The shapes of transitions' fields with this leading shape."""
        observation = (*leading, self._observation_size)
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

    def pack(self, transitions: Transition) -> FloatArray:
        """Makes rows, float32 [..., W], of transitions of any leading shape [...]."""
        rows = np.empty((*np.shape(transitions.reward), self.width), np.float32)
        self.write(transitions, rows)
        return rows

    def write(self, transitions: Transition, rows: FloatArray) -> None:
        """Writes transitions of leading shape [...] into rows, float32 [..., W]."""
        rows[..., self._observation] = transitions.observation
        rows[..., self._action] = self._actions.encode(transitions.action)
        rows[..., self._reward] = transitions.reward
        rows[..., self._discount] = transitions.discount
        rows[..., self._next_observation] = transitions.next_observation
        for name, part in self._extras.items():
            values = transitions.extras[name]
            rows[..., part] = np.reshape(values, (*rows.shape[:-1], part.stop - part.start))
        rows[..., -1] = WITHIN_EPISODE + transitions.last

    def unpack(self, rows: Any) -> Transition:
        """Reads transitions from rows.

        Args:
            rows: float32 [..., W], NumPy or TensorFlow.

        Returns:
            Mostly slices of `rows`, leading shape [...]. Rows of padding are not told apart: see
            `valid`. Rows that were saved before rows had `last` have it False throughout.
        """
        return Transition(
            observation=rows[..., self._observation],
            action=self._actions.decode(rows[..., self._action]),
            reward=rows[..., self._reward],
            discount=rows[..., self._discount],
            next_observation=rows[..., self._next_observation],
            last=rows[..., -1] == LAST_OF_EPISODE,
            extras={name: self._extra(rows, name, part) for name, part in self._extras.items()},
        )

    def _extra(self, rows: Any, name: str, part: slice) -> Any:
        numbers, shape = rows[..., part], self._extra_shapes[name]
        if not shape:
            return numbers[..., 0]
        if len(shape) == 1:
            return numbers
        if isinstance(rows, np.ndarray):
            return numbers.reshape((*rows.shape[:-1], *shape))
        import tensorflow as tf

        return tf.reshape(numbers, tf.concat([tf.shape(rows)[:-1], shape], axis=0))


def _shape(values: Any) -> tuple[int, ...]:
    # `np.shape` takes a microsecond for each of them.
    return values.shape if isinstance(values, np.ndarray) else np.shape(values)


def valid(rows: Any) -> Any:
    """Whether a row is a transition and not padding, bool [...], of rows float32 [..., W]."""
    return rows[..., -1] > PADDING
