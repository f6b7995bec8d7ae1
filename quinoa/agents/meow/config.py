"""MEow's configuration and its presets."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from quinoa.agents.config import LayerNorm, LayerSizes, TemperatureConfig
from quinoa.agents.policies.config import require_log_stddev_bounds
from quinoa.config.fields import Bounds


@dataclasses.dataclass(frozen=True)
class Config(TemperatureConfig):
    """Settings of MEow.

    The defaults are those of the authors' code for Gym's MuJoCo tasks (their README and `Args` in
    `cleanrl/cleanrl/meow_continuous_action.py`), but for `alpha` and `max_shift`, which are ours.
    """

    alpha: Annotated[float, Bounds(above=0)] = 0.02
    """α, the temperature. The authors' are 0.05 to 0.25 by task, for Gym's rewards of several a
    step; ours is for the control suite's, which lie in [0, 1]. Where `adaptive_temperature`, what
    it is at first."""
    target_rate: Annotated[float, Bounds(above=0, at_most=1)] = 0.005
    """How far the targets move towards the online networks at each step; the authors' are 1e-4 to
    5e-3 by task, this the default."""

    num_couplings: Annotated[int, Bounds(at_least=1)] = 4
    """How many additive couplings the flow has, which move the halves of the action in turn."""
    coupling_hidden_sizes: LayerSizes = (64, 64)
    """Hidden layers of each coupling's network."""
    layer_norm: LayerNorm = True
    """Whether layer normalisation comes before each ReLU of these, or, as `first`, before the first
    alone."""
    dropout: Annotated[float, Bounds(at_least=0, below=1)] = 0.1
    """The share of these layers' outputs that are dropped where the flow learns; never where it
    acts."""
    max_shift: Annotated[float, Bounds(above=0)] = 2.0
    """How far one coupling may move atanh(a). The authors' are not bounded: all actions may be on
    the box's edge, where the density is that of the clip, and V is not the soft maximum of Q."""

    stddev_hidden_sizes: LayerSizes = (64, 64)
    """Hidden layers of the network of log σ(s), the Gaussian's deviations."""
    min_log_stddev: Annotated[float, Bounds(at_least=-10, at_most=2)] = -5.0
    """The least that log σ may be."""
    max_log_stddev: Annotated[float, Bounds(at_least=-10, at_most=2)] = -0.3
    """The most that log σ may be, above `min_log_stddev`. The authors have 2 for HalfCheetah; at
    that bound, σ = 7.4, a third of an action's numbers are on the clip at the box's edge."""

    hidden_sizes: LayerSizes = (256, 256)
    """Hidden layers of each of the two shifts b_1(s) and b_2(s)."""
    shift_layer_norm: LayerNorm = False
    """Whether layer normalisation comes before each ReLU of these, or, as `first`, before the first
    alone."""

    learning_rate: Annotated[float, Bounds(above=0)] = 1e-3
    """Adam's step size, of all networks."""
    max_gradient_norm: Annotated[float, Bounds(at_least=0)] = 30.0
    """Gradients are scaled down to this global norm; 0 leaves them as they are."""
    samples_per_insert: Annotated[float, Bounds(at_least=0)] = 256.0
    """How often each transition is sampled, on average: 256, with a batch of 256, is one gradient
    step for each environment step. 0 sets no ratio."""
    min_replay_size: Annotated[int, Bounds(at_least=1)] = 5_000
    """Transitions in replay before the first gradient step. The authors' first ones are of uniform
    actions; ours are of the flow as it starts, whose actions are near uniform."""

    def __post_init__(self) -> None:
        """Checks every field, and the two bounds against one another; raises `ConfigError`."""
        super().__post_init__()
        require_log_stddev_bounds(self.min_log_stddev, self.max_log_stddev)


PRESETS = {"meow": Config()}
