"""A2C's configuration and its presets."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from quinoa.agents.config import Convolutions, LayerNorm, LayerSizes, OnPolicyConfig
from quinoa.config.fields import Absent, Bounds, require


@dataclasses.dataclass(frozen=True)
class Config(OnPolicyConfig):
    """Settings of A2C, and of soft Q-learning in its place.

    Equation numbers are those of Schulman, Chen & Abbeel (2017), of whom are `tau`,
    `value_coefficient` and n = 5 (`segment_length`). Of OpenAI Baselines' A2C, which is the one
    that the paper tunes and does not describe, are sixteen environments (`batch_size` /
    `segment_length`), RMSProp (`rmsprop_tf1` in its very form), its step size and the bound on the
    gradients' norm. The rest is ours, for tasks whose observations are vectors.
    """

    update: Literal["policy_gradient", "soft_q"] = "policy_gradient"
    """What the gradient step is: that of the policy and the value (`policy_gradient`, Eq. 84 to
    86), or that of soft Q-learning with Q = V + τ log π (`soft_q`, section 6.3), in which the
    gradients into τ log π are multiplied by 1/τ, and those into V by `value_coefficient`. Both are
    the same in expectation (Eq. 65)."""
    returns: Literal["standard", "entropy", "kl"] = "standard"
    """What the returns are of: rewards alone (`standard`, the naive bonus of Eq. 79), rewards plus
    τ H(π) at each step (`entropy`, the proper one, as in Figure 1), or rewards less τ KL[π‖π̄]
    (`kl`, Eq. 80), with the uniform policy π̄. Soft Q-learning has one of the latter two."""
    tau: Annotated[float, Bounds(at_least=0)] = 0.01
    """τ, of the bonus on the policy's entropy; above 0 for soft Q-learning."""
    value_coefficient: Annotated[float, Bounds(above=0)] = 0.5
    """c of Eq. 86, of the value's loss."""
    gae_lambda: Annotated[float, Bounds(at_least=0, at_most=1)] = 1.0
    """λ of generalised advantage estimation (Schulman et al., 2015): 1 is the return of as many
    steps as the segment still has, 0 that of one step."""

    hidden_sizes: LayerSizes = (64, 64)
    """Hidden layers of the policy, and of V, where observations are vectors."""
    convolutions: Annotated[Convolutions, Absent("auto")] = "auto"
    """Where observations are images, the layers in place of `hidden_sizes`: those of MinAtar's DQN
    (`minatar`: 16 filters of 3 × 3, then 128), those of Mnih et al. of 2016 (`a3c`: two
    convolutions, then 256) or of 2015 (`nature`: three, then 512), or by the size of the images
    (`auto`: `nature` from 36 × 36 on). With frames of 42 × 42, `nature` ends in one pixel, and
    `a3c` in 3 × 3. `a3c_standardized` gives each image's pixels a mean of 0 and a deviation of 1
    first, and begins with orthogonal weights."""
    layer_norm: LayerNorm = False
    """Whether layer normalisation comes before each ReLU of these (Ba, Kiros & Hinton, 2016), or
    (`first`) before the first alone."""
    shared_trunk: bool = False
    """Whether V is linear in the policy's last hidden layer, as the paper's is, instead of a
    network of its own."""

    optimizer: Literal["rmsprop", "rmsprop_tf1", "adam"] = "rmsprop"
    """`rmsprop`, with the decay 0.99 and 1e-5 added to the root; `rmsprop_tf1`, OpenAI Baselines':
    TensorFlow 1's, whose mean of squares starts at 1, with 1e-5 added below the root; or `adam`,
    with 1e-5 too."""
    learning_rate: Annotated[float, Bounds(above=0)] = 7e-4
    """The optimiser's step size, at the start: OpenAI Baselines' falls linearly to 0, as with
    `learning_rate_schedule = "linear"`."""
    batch_size: Annotated[int, Bounds(at_least=1)] = 80
    """Transitions in one gradient step: of sixteen environments, five each."""
    segment_length: Annotated[int, Bounds(at_least=1)] = 5
    """Consecutive transitions of one environment in a gradient step: n, for the first of them, of
    the n-step return."""
    max_gradient_norm: Annotated[float, Bounds(at_least=0)] = 0.5
    """The gradient of everything is scaled down to this norm; 0 leaves it as it is."""

    def __post_init__(self) -> None:
        """See the base class."""
        super().__post_init__()
        if self.update != "soft_q":
            return
        require(
            self.returns != "standard",
            "returns",
            self.returns,
            "'entropy' or 'kl' with update = 'soft_q': what Q = V + τ log π says of an action has "
            "the entropies of later steps in it",
        )
        require(self.tau > 0, "tau", self.tau, "above 0 with update = 'soft_q'")


PRESETS = {
    "a2c": Config(),
    "a2c_proper": Config(returns="entropy"),
    "soft_q_a2c": Config(update="soft_q", returns="entropy"),
}

ABOUT = {
    "a2c": "A2C: advantage actor-critic with an entropy bonus beside the returns",
    "a2c_proper": "A2C with the entropy in the returns",
    "soft_q_a2c": "n-step soft Q-learning with Q = V + τ log π, in place of A2C's update",
}
