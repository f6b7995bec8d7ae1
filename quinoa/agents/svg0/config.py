"""SVG(0)'s configuration and its presets."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from quinoa.agents.config import LayerNorm, LayerSizes, NetworkKind, SampledConfig, check_network
from quinoa.config.fields import Absent, Bounds


@dataclasses.dataclass(frozen=True)
class Config(SampledConfig):
    """Settings of SVG(0).

    The Quinoa paper, whose baseline it is, says of it only that it is SVG(0). What section 4 says
    of its experiments, a learning rate of 0.001 and a target copied every 1000 steps, is in the
    preset `svg0_paper`. The rest is ours.
    """

    target_period: Annotated[int, Bounds(at_least=0)] = 0
    """The target critic is copied every so many steps; 0 has it move by `target_rate` at each. A
    copy every 1000 steps backs values up once in 1000 steps."""
    target_rate: Annotated[float, Bounds(above=0, at_most=1)] = 0.005
    """How far the target critic moves towards the critic at each step, if `target_period` is 0."""
    entropy_weight: Annotated[float, Bounds(at_least=0)] = 0.01
    """What a unit of entropy is worth to the actor; 0 is the algorithm as published. The reward
    alone gives the deviation no reason to stay, and with it goes the exploration. 0.01 keeps it up
    while Q is nearly flat and gives way where actions matter."""

    hidden_sizes: LayerSizes = (256, 256)
    """Hidden layers of the actor and of the critic."""
    layer_norm: Annotated[LayerNorm, Absent(False)] = False
    """Whether layer normalisation comes before each ReLU of these (Ba, Kiros & Hinton, 2016), or
    (`first`) before the first alone."""
    network: Annotated[NetworkKind, Absent("mlp")] = "mlp"
    """How hidden layers are put together: `mlp`, one after another; or `simba`, residual blocks
    with layer normalisation (Lee et al., 2024), of which `hidden_sizes` has the width, the same for
    each."""

    learning_rate: Annotated[float, Bounds(above=0)] = 3e-4
    """Adam's step size, of the critic and the actor."""
    samples_per_insert: Annotated[float, Bounds(at_least=0)] = 256.0
    """How often each transition is sampled, on average: 256, with a batch of 256, is one gradient
    step for each environment step, as for SAC. 0 sets no ratio."""

    def __post_init__(self) -> None:
        """See the base class."""
        super().__post_init__()
        check_network(self.network, self.hidden_sizes, layer_norm=self.layer_norm)


PRESETS = {
    "svg0": Config(),
    "svg0_paper": Config(target_period=1000, entropy_weight=0.0, learning_rate=1e-3),
}

ABOUT = {"svg0_paper": "SVG(0) as the Quinoa paper describes it"}
