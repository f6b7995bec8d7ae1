"""IQ's configuration and its presets."""

from __future__ import annotations

import dataclasses
import math

from quinoa.agents.policies import FlowConfig
from quinoa.agents.protocol import require


@dataclasses.dataclass(frozen=True)
class Config(FlowConfig):
    """Settings of IQ; the defaults are the paper's for Gym (section 6) but for the learning rate.

    Rewards of the control suite lie in [0, 1], where 1e-3 learns faster than the paper's 3e-4.
    """

    # τ of Eq. 1: the temperature of the softmax that the policy is.
    tau: float = 0.01
    # α of Eq. 2: the Munchausen coefficient. 0 is IQ, above is M-IQ; the paper's best is 0.9.
    alpha: float = 0.0
    # Whether V(s') in Eq. 2 is the target network's (IQ) or the online one's ((Trust-)PCL).
    target_value: bool = True
    # λ: how far the targets move towards the online networks at each step.
    target_rate: float = 0.005

    # The policy class: multicategorical, of `num_bins` a dimension, flow or gaussian
    # (agents/policies).
    policy: str = "multicategorical"
    # Hidden layers of V, and of the policy unless it is a flow.
    hidden_sizes: tuple[int, ...] = (256, 256)

    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        """Checks every field; raises `ConfigError`."""
        super().__post_init__()
        require(0 < self.tau < math.inf, "tau", self.tau, "> 0")
        require(0 <= self.alpha < 1, "alpha", self.alpha, "in [0, 1)")
        require(0 < self.target_rate <= 1, "target_rate", self.target_rate, "in (0, 1]")
        policies = ("multicategorical", "flow", "gaussian")
        require(self.policy in policies, "policy", self.policy, f"one of {', '.join(policies)}")
        sizes = self.hidden_sizes
        require(
            all(size >= 1 for size in sizes), "hidden_sizes", sizes, "layer sizes of at least 1"
        )
        require(0 < self.learning_rate < math.inf, "learning_rate", self.learning_rate, "> 0")


PRESETS = {
    "iq": Config(),
    "m_iq": Config(alpha=0.9),
    # The ablations of the paper's Fig. 2. Residual algorithms are best at a much lower τ.
    "pcl": Config(target_value=False, tau=1e-4),
    "trust_pcl": Config(target_value=False, tau=1e-4, alpha=0.9),
    "iq_gaussian": Config(policy="gaussian"),
    # A continuous density instead of a probability mass: the reference that Quinoa is held against.
    "iq_flow": Config(policy="flow", tau=0.1, target_rate=0.01, max_gradient_norm=1.0),
}
