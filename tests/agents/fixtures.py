"""Small specs and random batches for tests of agents."""

from __future__ import annotations

from typing import Any

import numpy as np
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
