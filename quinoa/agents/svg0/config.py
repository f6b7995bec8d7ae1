"""SVG(0)'s configuration and its presets."""

from __future__ import annotations

import dataclasses
import math

from quinoa.agents.protocol import AgentConfig, require


@dataclasses.dataclass(frozen=True)
class Config(AgentConfig):
    """Settings of SVG(0).

    The Quinoa paper, whose baseline it is, says of it only that it is SVG(0). What section 4 says
    of its experiments, a learning rate of 0.001 and a target copied every 1000 steps, is in the
    preset `svg0_paper`. The rest is ours.
    """

    # The target critic is copied every `target_period` steps, or, if that is 0, moves by
    # `target_rate` of the way at each. A copy every 1000 steps backs values up once in 1000 steps.
    target_period: int = 0
    target_rate: float = 0.005
    # What a unit of entropy is worth to the actor; 0 is the algorithm as published. The reward
    # alone gives the deviation no reason to stay, and with it goes the exploration. 0.01 holds it
    # up while Q is nearly flat and gives way where actions matter.
    entropy_weight: float = 0.01

    # Hidden layers of the actor and of the critic.
    hidden_sizes: tuple[int, ...] = (256, 256)

    # Of the critic and the actor.
    learning_rate: float = 3e-4
    # One gradient step for each environment step, as for SAC.
    samples_per_insert: float = 256.0

    def __post_init__(self) -> None:
        """Checks every field; raises `ConfigError`."""
        super().__post_init__()
        require(self.target_period >= 0, "target_period", self.target_period, "≥ 0")
        require(0 < self.target_rate <= 1, "target_rate", self.target_rate, "in (0, 1]")
        weight = self.entropy_weight
        require(0 <= weight < math.inf, "entropy_weight", weight, "≥ 0 and finite")
        sizes = self.hidden_sizes
        require(
            all(size >= 1 for size in sizes), "hidden_sizes", sizes, "layer sizes of at least 1"
        )
        require(0 < self.learning_rate < math.inf, "learning_rate", self.learning_rate, "> 0")


PRESETS = {
    "svg0": Config(),
    "svg0_paper": Config(target_period=1000, entropy_weight=0.0, learning_rate=1e-3),
}
