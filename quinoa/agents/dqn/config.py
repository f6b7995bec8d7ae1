"""DQN's configuration and its presets."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from quinoa.agents.config import (
    Convolutions,
    LayerNorm,
    LayerSizes,
    NetworkKind,
    OffPolicyConfig,
    check_network,
)
from quinoa.config.fields import Absent, Bounds, require


@dataclasses.dataclass(frozen=True)
class Config(OffPolicyConfig):
    """Settings of DQN.

    Equation numbers are those of Schulman, Chen & Abbeel (2017), of whom is `tau`; the paper says
    nothing of its DQN's other settings. `huber_delta` and `epsilon_start` are those of Mnih et al.
    (2015). One gradient step for each environment step, and a hundred thousand transitions in
    replay, are those of the DQN of MinAtar (Young & Tian, 2019). The rest is ours, for tasks whose
    observations are vectors.
    """

    backup: Literal["standard", "kl", "entropy"] = "standard"
    """What the next state is worth: the highest Q (`standard`, Eq. 81), or the soft maximum, with
    a penalty on the KL divergence from the uniform policy (`kl`, Eq. 82) or a bonus on the entropy
    (`entropy`, Eq. 83)."""
    tau: Annotated[float, Bounds(above=0)] = 0.1
    """τ, the temperature of the soft maximum. The paper has 0.1 and 0.01."""
    double: bool = False
    """Whether the online network chooses the next action, or the softmax over the next actions, of
    which the target network gives the value (van Hasselt, Guez & Silver, 2016)."""
    huber_delta: Annotated[float, Bounds(at_least=0)] = 1.0
    """The error beyond which the loss grows linearly: gradients are clipped to ± this. 0 is the
    square, whatever the error is (Eq. 44)."""
    target_period: Annotated[int, Bounds(at_least=1)] = 500
    """Gradient steps from one copy of Q to its target network to the next."""

    epsilon_start: Annotated[float, Bounds(above=0, at_most=1)] = 1.0
    """ε of the ε-greedy policy at the start. Evaluations are greedy, whatever ε is."""
    epsilon_end: Annotated[float, Bounds(above=0, at_most=1)] = 0.05
    """ε in the end; at most `epsilon_start`."""
    epsilon_steps: Annotated[int, Bounds(at_least=1)] = 10_000
    """Gradient steps in which ε falls linearly from the one to the other."""

    hidden_sizes: LayerSizes = (128, 128)
    """Hidden layers of Q, where observations are vectors."""
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
    network: Annotated[NetworkKind, Absent("mlp")] = "mlp"
    """How hidden layers are put together: `mlp`, one after another; or, where observations are
    vectors, `simba`, residual blocks with layer normalisation (Lee et al., 2024), of which
    `hidden_sizes` has the width, the same for each."""

    optimizer: Literal["adam", "rmsprop"] = "adam"
    """`adam`, or `rmsprop` as the DQN of MinAtar has it: centred, both decays 0.95, with 0.01 added
    to the root of the variance."""
    learning_rate: Annotated[float, Bounds(above=0)] = 5e-4
    """The optimiser's step size. 2.5e-4 goes with `rmsprop` (Mnih et al., 2015)."""
    batch_size: Annotated[int, Bounds(at_least=1)] = 64
    """Transitions in one gradient step."""
    samples_per_insert: Annotated[float, Bounds(at_least=0)] = 64.0
    """How often each transition is sampled, on average: 64, with a batch of 64, is one gradient
    step for each environment step. 0 sets no ratio."""
    min_replay_size: Annotated[int, Bounds(at_least=1)] = 1_000
    """Transitions in replay before the first gradient step."""
    max_replay_size: Annotated[int, Bounds(at_least=1)] = 100_000
    """The most transitions in replay; at least `min_replay_size` and `segment_length`."""

    def __post_init__(self) -> None:
        """See the base class."""
        super().__post_init__()
        check_network(self.network, self.hidden_sizes, layer_norm=self.layer_norm)
        require(
            self.epsilon_end <= self.epsilon_start,
            "epsilon_end",
            self.epsilon_end,
            f"at most epsilon_start, which is {self.epsilon_start}",
        )

    @property
    def has_states_between(self) -> bool:
        """Whether a target has penalties of states between s and s' (Eq. 46)."""
        return self.n_step > 1 and self.backup != "standard"


PRESETS = {
    "dqn": Config(),
    "soft_dqn_kl": Config(backup="kl"),
    "soft_dqn_entropy": Config(backup="entropy"),
}

ABOUT = {
    "dqn": "DQN, for finite sets of actions",
    "soft_dqn_kl": "DQN with a KL penalty in its target",
    "soft_dqn_entropy": "DQN with an entropy bonus in its target",
}
