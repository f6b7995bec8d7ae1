"""DDPG's configuration and its presets."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from quinoa.agents.config import LayerNorm, LayerSizes, NoisyConfig
from quinoa.config.fields import Absent, Bounds


@dataclasses.dataclass(frozen=True)
class Config(NoisyConfig):
    """Settings of DDPG.

    The noise is that of the paper's section 7, and `ddpg_paper` has its other numbers. The defaults
    learn faster where rewards lie in [0, 1].
    """

    target_rate: Annotated[float, Bounds(above=0, at_most=1)] = 0.005
    """τ of Algorithm 1: how far both targets move at each step, if `target_period` is 0."""
    target_period: Annotated[int, Bounds(at_least=0)] = 0
    """Both targets are copied every so many steps; 0 has them move by `target_rate` at each."""

    hidden_sizes: LayerSizes = (256, 256)
    """Hidden layers of the actor and of the critic."""
    layer_norm: Annotated[LayerNorm, Absent(False)] = False
    """Whether layer normalisation comes before each ReLU of these (Ba, Kiros & Hinton, 2016), or
    (`first`) before the first alone."""

    learning_rate: Annotated[float, Bounds(above=0)] = 1e-3
    """Adam's step size of the critic."""
    actor_learning_rate: Annotated[float, Bounds(above=0)] = 3e-4
    """Adam's step size of the actor."""


PRESETS = {
    "ddpg": Config(),
    # Section 7. Its batch normalisation and its decay of the critic's weights are not here.
    "ddpg_paper": Config(
        target_rate=0.001,
        hidden_sizes=(400, 300),
        actor_learning_rate=1e-4,
        batch_size=64,
        samples_per_insert=64.0,
    ),
}

ABOUT = {"ddpg_paper": "DDPG with the paper's settings"}
