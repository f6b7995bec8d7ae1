"""Small specs and random batches for tests of agents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf
from acme import specs

from quinoa.agents.types import Transition
from quinoa.launch.checks.subject import random_transitions

OBSERVATION_SIZE = 3
ACTION_SIZE = 2


def make_spec(
    observation_size: int = OBSERVATION_SIZE, action_size: int = ACTION_SIZE, **changes: Any
) -> specs.EnvironmentSpec:
    """The spec of a canonical environment, but for `changes`."""
    scalar = specs.Array((), np.float32)
    spec = specs.EnvironmentSpec(
        observations=specs.Array((observation_size,), np.float32, "observation"),
        actions=specs.BoundedArray((action_size,), np.float32, -1.0, 1.0, "action"),
        rewards=scalar,
        discounts=specs.BoundedArray((), np.float32, 0.0, 1.0),
    )
    return spec._replace(**changes)


def make_transitions(
    *leading: int,
    seed: int = 0,
    observation_size: int = OBSERVATION_SIZE,
    action_size: int = ACTION_SIZE,
) -> Transition:
    """Random transitions with these leading dimensions, a tenth of them terminal."""
    spec = make_spec(observation_size, action_size)
    return random_transitions(spec, *leading, seed=seed)


def make_batch(size: int = 32, **sizes: int) -> Any:
    """`make_transitions` as a `Transition` of tensors."""
    return tf.nest.map_structure(tf.constant, make_transitions(size, **sizes))


def perturb(variables: Iterable[tf.Variable], scale: float = 0.3, seed: int = 0) -> None:
    """Moves variables from where they start, so that none is 0 and targets are not their networks.

    Args:
        variables: in the order in which the same random numbers are drawn for them.
        scale: the deviation of how far each number is moved.
        seed: of the random numbers.
    """
    rng = np.random.default_rng(seed)
    for variable in variables:
        variable.assign_add(scale * rng.normal(size=variable.shape).astype(np.float32))
