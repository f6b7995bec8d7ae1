"""What lies between s and s' of an n-step transition, for agents whose targets are made of it.

Replay adds it to the extras of each transition where `Agent.extras_spec` declares it
(`quinoa.agents.replay.NStepReplay`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from acme import specs

from quinoa.agents import protocol
from quinoa.agents.observations import observation_set
from quinoa.agents.types import ACTIONS_BETWEEN, BETWEEN, STATES_BETWEEN, WEIGHTS_BETWEEN


def extras_spec(
    spec: specs.EnvironmentSpec, num_steps: int, names: Collection[str] = BETWEEN
) -> Mapping[str, specs.Array]:
    """What an agent's `extras_spec` declares.

    Args:
        spec: of a canonical environment with vectors as observations.
        num_steps: n, at least 2.
        names: which of `BETWEEN` are wanted.
    """
    shapes = {
        STATES_BETWEEN: spec.observations.shape,
        ACTIONS_BETWEEN: spec.actions.shape,
        WEIGHTS_BETWEEN: (),
    }
    return {name: specs.Array((num_steps - 1, *shapes[name]), np.float32) for name in sorted(names)}


def check_spec(spec: specs.EnvironmentSpec, setting: str, otherwise: str) -> None:
    """Checks that replay can keep the states between.

    Args:
        spec: of a canonical environment.
        setting: what has replay keep them, as a reader of an error would set it.
        otherwise: what to set in its place, as an alternative to one step.

    Raises:
        SpecError: observations are images.
    """
    if len(spec.observations.shape) > 1:
        raise protocol.SpecError(
            f"{setting} has replay keep the states between, which it does with vectors, but the "
            f"environment's observations are {observation_set(spec.observations)}: leave n_step "
            f"at 1, or {otherwise}."
        )
