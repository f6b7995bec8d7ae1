"""Smoothie's configuration and its presets."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from quinoa.agents.config import LayerSizes, SampledConfig
from quinoa.config.fields import Bounds, require


@dataclasses.dataclass(frozen=True)
class Config(SampledConfig):
    """Settings of Smoothie.

    The paper's numbers are in its appendix, which is not at hand: all of these are ours. Deviations
    are those of the Gaussian before it is squashed into the box.
    """

    kl_weight: Annotated[float, Bounds(at_least=0)] = 0.01
    """λ of Eq. 20: the weight of the divergence from the target policy; 0 is the paper's Smoothie
    without a penalty."""
    critic: Literal["phantom", "two_networks"] = "phantom"
    """How the smoothed Q-function is learned: from phantom actions (Eq. 18), as in the paper's
    experiments, or from a Q-function of a network of its own (Eq. 16 and 17)."""
    num_samples: Annotated[int, Bounds(at_least=1)] = 8
    """With `two_networks`, how many actions the expectation in Eq. 17 is taken over."""
    max_importance_weight: Annotated[float, Bounds(at_least=0)] = 0.0
    """With `phantom`, the greatest weight 1/q of a transition in Eq. 18, where q is the density
    that its action was drawn with; 0 leaves the weights out, as the paper's experiments do."""
    target_rate: Annotated[float, Bounds(above=0, at_most=1)] = 0.005
    """τ of Algorithm 1: how far all targets move at each step."""

    initial_stddev: Annotated[float, Bounds(above=0)] = 0.5
    """The policy's deviation at the start, in each dimension."""
    min_stddev: Annotated[float, Bounds(above=0)] = 0.03
    """The least deviation."""
    max_stddev: Annotated[float, Bounds(above=0)] = 1.0
    """The greatest deviation; the policy is then nearly uniform on the box."""

    hidden_sizes: LayerSizes = (256, 256)
    """Hidden layers of the policy's mean and of each Q-function."""
    activation: Literal["softplus", "elu", "tanh"] = "tanh"
    """Between the layers of the Q-functions, whose second derivatives are needed. The mean has
    ReLUs. With softplus the curvature is learned late: the bandit's two modes became one slope."""

    learning_rate: Annotated[float, Bounds(above=0)] = 1e-3
    """η_Q: Adam's step size of the Q-functions."""
    actor_learning_rate: Annotated[float, Bounds(above=0)] = 3e-4
    """η_π: Adam's step size of the mean and of the logarithms of the variances."""

    def __post_init__(self) -> None:
        """See the base class."""
        super().__post_init__()
        require(
            self.min_stddev <= self.initial_stddev <= self.max_stddev,
            "initial_stddev",
            self.initial_stddev,
            f"from min_stddev to max_stddev, {self.min_stddev} to {self.max_stddev}",
        )
        require(
            self.critic == "phantom" or not self.max_importance_weight,
            "max_importance_weight",
            self.max_importance_weight,
            "0 with critic = 'two_networks', which weighs no transitions",
        )
        require(
            self.action_noise == "white" or not self.max_importance_weight,
            "action_noise",
            self.action_noise,
            "'white' with max_importance_weight, as a density is saved with each action",
        )


PRESETS = {"smoothie": Config(), "smoothie_without_kl": Config(kl_weight=0.0)}

ABOUT = {"smoothie_without_kl": "Smoothie without the KL penalty"}
