"""Acme's form of an environment's specs, imported only by who needs it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dm_env import specs as dm_specs

if TYPE_CHECKING:
    from acme.specs import EnvironmentSpec


def make_spec(
    *,
    observations: dm_specs.Array,
    actions: dm_specs.Array,
    rewards: dm_specs.Array,
    discounts: dm_specs.Array,
) -> EnvironmentSpec:
    """The specs in the form that Acme's networks and agents take."""
    # Acme imports TensorFlow, which only the agents need, and which tells of its CPU options.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    from acme import specs

    return specs.EnvironmentSpec(observations, actions, rewards, discounts)
