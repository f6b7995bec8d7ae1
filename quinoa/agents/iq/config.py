"""IQ's configuration and its presets."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from quinoa.agents.config import (
    Convolutions,
    LayerNorm,
    LayerSizes,
    NetworkKind,
    TemperatureConfig,
    check_network,
)
from quinoa.agents.policies.config import FlowConfig
from quinoa.config.fields import Absent, Bounds, require


@dataclasses.dataclass(frozen=True)
class Config(FlowConfig, TemperatureConfig):
    """Settings of IQ.

    Of the paper (section 6, for Gym) are the defaults of `tau`, `num_bins` and, for M-IQ, `alpha`.
    Of SAC (Haarnoja et al., 2018b, Table 1), whose hyperparameters it keeps almost all, are those
    of `target_rate`, `hidden_sizes`, `discount`, `batch_size` and `max_replay_size`; which it does
    not keep is in its appendix, which is not at hand. The rest is ours: rewards of the control
    suite lie in [0, 1], where a learning rate of 1e-3 learns faster than the paper's 3e-4.
    """

    tau: Annotated[float, Bounds(above=0)] = 0.01
    """τ of Eq. 1: the temperature of the softmax that the policy is; where `adaptive_temperature`,
    what it is at first."""
    alpha: Annotated[float, Bounds(at_least=0, below=1)] = 0.0
    """α of Eq. 2: the Munchausen coefficient. 0 is IQ, above is M-IQ; the paper's best is 0.9."""
    target_value: bool = True
    """Whether V(s') in Eq. 2 is the target network's (IQ) or the online one's ((Trust-)PCL)."""
    num_values: Annotated[int, Bounds(at_least=1), Absent(1)] = 1
    """How many values V there are, each with its target: the least of them is in Eq. 2. The paper
    has one."""
    value_bins: Annotated[int, Bounds(at_least=0), Absent(0)] = 0
    """Where above 0, V is the mean of a categorical distribution over so many bins, and is learned
    as a classification, by the cross-entropy with a histogram around Eq. 2's target less τ ln π
    (HL-Gauss; Farebrother et al., 2024); the policy's loss stays. 0, the paper's, is a V that is a
    number."""
    value_limit: Annotated[float, Bounds(above=0), Absent(120.0)] = 120.0
    """Where these bins end. Rewards and entropy's bonuses of at most r an action need r / (1 − γ)
    and three bins more: V is less than its targets where these are nearer to the end. So
    action_repeat = 2 needs twice as much as 1."""
    value_low: Annotated[float | None, Bounds(below=0), Absent(None)] = None
    """Where these bins begin, at least three bins below 0, as V starts there; none: at the negative
    of `value_limit`. Where no reward is negative there is little to be lower for."""
    path_consistency: Annotated[bool, Absent(False)] = False
    """Whether the target of `n_step` above 1 is the one of path consistency (Nachum et al., 2017,
    Eq. 9), which holds whoever acted: each reward after the first has − τ (1 − α) ln π̄ of the
    action that was taken there beside it. Where not `target_value` that is − τ ln π + α τ ln π̄, of
    the online π with its gradient. Otherwise these terms are missing."""
    target_rate: Annotated[float, Bounds(above=0, at_most=1)] = 0.005
    """λ: how far the targets move towards the online networks at each step; the default is
    SAC's."""

    policy: Literal["multicategorical", "autoregressive", "flow", "gaussian"] = "multicategorical"
    """The policy class: `multicategorical` (of `num_bins` a dimension), `autoregressive` (the same,
    each dimension given those before it), `flow` or `gaussian`. Where the actions are finite sets,
    `multicategorical` is one softmax over each, and there is no other class."""
    autoregressive_units: Annotated[int, Bounds(at_least=1), Absent(128)] = 128
    """Units by which dimensions of an `autoregressive` policy depend on those before them."""
    hidden_sizes: LayerSizes = (256, 256)
    """Hidden layers of V, and of the policy unless it is a flow, where observations are vectors."""
    convolutions: Annotated[Convolutions, Absent("auto")] = "auto"
    """Where observations are images, the layers in place of `hidden_sizes`: those of MinAtar's DQN
    (`minatar`: 16 filters of 3 × 3, then 128), those of Mnih et al. of 2016 (`a3c`: two
    convolutions, then 256) or of 2015 (`nature`: three, then 512), or by the size of the images
    (`auto`: `nature` from 36 × 36 on). With frames of 42 × 42, `nature` ends in one pixel, and
    `a3c` in 3 × 3. `a3c_standardized` gives each image's pixels a mean of 0 and a deviation of 1
    first, and begins with orthogonal weights."""
    layer_norm: Annotated[LayerNorm, Absent(False)] = False
    """Whether layer normalisation comes before each ReLU of these (Ba, Kiros & Hinton, 2016), or
    (`first`) before the first alone."""
    network: Annotated[NetworkKind, Absent("mlp")] = "mlp"
    """How hidden layers are put together: `mlp`, one after another; or `simba`, residual blocks
    with layer normalisation (Lee et al., 2024), of which `hidden_sizes` has the width, the same for
    each."""

    learning_rate: Annotated[float, Bounds(above=0)] = 1e-3
    """Adam's step size, of V and the policy."""

    def __post_init__(self) -> None:
        """See the base class."""
        super().__post_init__()
        require(
            self.n_step > 1 or not self.path_consistency,
            "path_consistency",
            self.path_consistency,
            "false where n_step = 1: it is about the steps between",
        )
        require(
            self.target_value or not self.value_bins,
            "value_bins",
            self.value_bins,
            "0 where target_value = false: a residual algorithm's loss has gradients in V(s') too, "
            "which a classification has not",
        )
        require(
            self.value_bins != 1,
            "value_bins",
            self.value_bins,
            "0, or at least 2: one bin is one value",
        )
        require(
            self.value_low is None
            or not self.value_bins
            or self.value_low * (self.value_bins - 3) <= -3.0 * self.value_limit,
            "value_low",
            self.value_low,
            "none, or so far below 0 that at least three of the value_bins are below it: V starts "
            "at 0, and its probabilities lie to both sides",
        )
        require(
            self.value_low is None
            or not self.value_bins
            or self.value_limit * (self.value_bins - 3) >= -3.0 * self.value_low,
            "value_limit",
            self.value_limit,
            "so far above 0 that at least three of the value_bins are above it: V starts at 0, and "
            "its probabilities lie to both sides",
        )
        check_network(self.network, self.hidden_sizes, layer_norm=self.layer_norm)


PRESETS = {
    "iq": Config(),
    "m_iq": Config(alpha=0.9),
    # The ablations of the paper's Fig. 2. Residual algorithms are best at a much lower τ.
    "pcl": Config(target_value=False, tau=1e-4),
    "trust_pcl": Config(target_value=False, tau=1e-4, alpha=0.9),
    "iq_gaussian": Config(policy="gaussian"),
    # A continuous density instead of a probability mass: Quinoa is compared with it.
    "iq_flow": Config(policy="flow", tau=0.1, target_rate=0.01, max_gradient_norm=1.0),
}

ABOUT = {
    "iq": "IQ: Q = V + τ log π with a multicategorical policy",
    "m_iq": "M-IQ: IQ with the Munchausen term",
    "pcl": "PCL: IQ with the online value in its target",
    "trust_pcl": "Trust-PCL: M-IQ with the online value in its target",
    "iq_gaussian": "IQ with a tanh-Gaussian policy",
    "iq_flow": "IQ with a Real NVP policy",
}
