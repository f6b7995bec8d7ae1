"""The data that flows between actors, replay, learner and policies."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy.typing as npt
import tensorflow as tf

Array: TypeAlias = npt.NDArray[Any] | tf.Tensor | Any
Seed: TypeAlias = tf.Tensor  # int32 [2]: a seed for TensorFlow's stateless random operations.


class Transition(NamedTuple):
    """A batch of transitions (s, a, r, d, s'); every field has the same leading shape [...].

    Attributes:
        observation: s, float32 [..., O].
        action: a, float32 [..., A], each component in [-1, 1].
        reward: r, float32 [...].
        discount: d, float32 [...]: the environment's own discount of s', 0 at a termination and 1
            at a time limit. The agent's γ is not in it.
        next_observation: s', float32 [..., O].
    """

    observation: Array
    action: Array
    reward: Array
    discount: Array
    next_observation: Array
