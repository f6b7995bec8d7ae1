"""SAC's configuration and its presets."""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated

from quinoa.agents.config import LayerNorm, LayerSizes, NetworkKind, SampledConfig, check_network
from quinoa.config.fields import Absent, Bounds


@dataclasses.dataclass(frozen=True)
class Config(SampledConfig):
    """Settings of SAC; the defaults are those of the paper's Table 1 but for `alpha`."""

    alpha: Annotated[float, Bounds(above=0)] = 0.1
    """α at the start, which the paper does not give. Rewards of the control suite lie in [0, 1],
    and with α = 1 the entropy's share of Q would hide them for the first ten thousand steps."""
    target_entropy: Annotated[float, Bounds(below=math.log(2.0))] = -1.0
    """H̄ of Eq. 18 for each action dimension: the entropy that α drives the policy to is this times
    A. It is below log 2 = 0.693, the entropy of uniform actions in [-1, 1], which none exceeds."""
    target_rate: Annotated[float, Bounds(above=0, at_most=1)] = 0.005
    """How far the target critics move towards the critics at each step."""

    hidden_sizes: LayerSizes = (256, 256)
    """Hidden layers of the actor and of each critic."""
    layer_norm: Annotated[LayerNorm, Absent(False)] = False
    """Whether layer normalisation comes before each ReLU of these (Ba, Kiros & Hinton, 2016), or
    (`first`) before the first alone."""
    network: Annotated[NetworkKind, Absent("mlp")] = "mlp"
    """How hidden layers are put together: `mlp`, one after another; or `simba`, residual blocks
    with layer normalisation (Lee et al., 2024), of which `hidden_sizes` has the width, the same for
    each."""

    learning_rate: Annotated[float, Bounds(above=0)] = 3e-4
    """Adam's step size, of the critics, the actor and log α."""
    samples_per_insert: Annotated[float, Bounds(at_least=0)] = 256.0
    """How often each transition is sampled, on average: 256, with a batch of 256, is one gradient
    step for each environment step. 0 sets no ratio."""

    def __post_init__(self) -> None:
        """See the base class."""
        super().__post_init__()
        check_network(self.network, self.hidden_sizes, layer_norm=self.layer_norm)


PRESETS = {"sac": Config()}
