"""Environment specs as Acme's record; a module of its own, as Acme imports TensorFlow."""

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
    """Makes the record of specs that Acme's networks and agents take."""
    # Acme imports TensorFlow, which would log the CPU's options.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    from acme import specs

    return specs.EnvironmentSpec(observations, actions, rewards, discounts)
