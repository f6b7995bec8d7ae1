"""SAC's configuration and its presets."""

from __future__ import annotations

import dataclasses
import math

from quinoa.agents.protocol import AgentConfig, require


@dataclasses.dataclass(frozen=True)
class Config(AgentConfig):
    """Settings of SAC; the defaults are those of the paper's Table 1 but for `alpha`."""

    # α at the start, which the paper does not give. Rewards of the control suite lie in [0, 1], and
    # with α = 1 the entropy's share of Q would hide them for the first ten thousand steps.
    alpha: float = 0.1
    # H̄ of Eq. 18 for each action dimension: the entropy that α holds the policy to is this times A.
    target_entropy: float = -1.0
    # How far the target critics move towards the critics at each step.
    target_rate: float = 0.005

    # Hidden layers of the actor and of each critic.
    hidden_sizes: tuple[int, ...] = (256, 256)

    # Of the critics, the actor and log α.
    learning_rate: float = 3e-4
    # One gradient step for each environment step.
    samples_per_insert: float = 256.0

    def __post_init__(self) -> None:
        """Checks every field; raises `ConfigError`."""
        super().__post_init__()
        require(0 < self.alpha < math.inf, "alpha", self.alpha, "> 0")
        # The uniform distribution on [-1, 1] has the entropy log 2, and none has more.
        require(
            -math.inf < self.target_entropy < math.log(2.0),
            "target_entropy",
            self.target_entropy,
            "below log 2 = 0.693, the entropy of uniform actions",
        )
        require(0 < self.target_rate <= 1, "target_rate", self.target_rate, "in (0, 1]")
        sizes = self.hidden_sizes
        require(
            all(size >= 1 for size in sizes), "hidden_sizes", sizes, "layer sizes of at least 1"
        )
        require(0 < self.learning_rate < math.inf, "learning_rate", self.learning_rate, "> 0")


PRESETS = {"sac": Config()}
