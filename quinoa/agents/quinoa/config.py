"""Quinoa's configuration and its presets."""

from __future__ import annotations

import dataclasses
import math

from quinoa.agents.policies import FlowConfig
from quinoa.agents.protocol import require


@dataclasses.dataclass(frozen=True)
class Config(FlowConfig):
    """Settings of Quinoa. BUILD_NOTES.md says how the defaults were found."""

    # The dual that α comes from when π̃ moves: its inner expectation over actions in each `state`
    # (section 6.1 with several actions a state), over the whole `batch` (Algorithm 2, line 4, read
    # literally), or `none`, which leaves α as it is.
    dual: str = "state"
    # ε for each action dimension: the mean KL that π may take from π̃ in a period is this times A.
    epsilon: float = 0.02
    # α at the start (for dual=none, always), its bounds, and the most it may move at a time, in
    # log: one period's Q is a noisy estimate.
    alpha: float = 0.3
    alpha_min: float = 0.01
    alpha_max: float = 10.0
    max_alpha_change: float = 0.3
    # M, the actions a state that the dual's expectation is taken over.
    num_dual_actions: int = 16

    # π̃ moves every `prior_period` steps (Algorithm 2, line 8); 0 leaves it uniform for ever.
    prior_period: int = 1000
    # ρ in π̃ ∝ π^ρ u^(1−ρ), u being uniform. 1 is the paper's π̃ ← π, under which a policy that once
    # leant the wrong way must be argued back step by step; below 1, π̃ forgets by ρ a period.
    prior_power: float = 0.9
    # The target V is copied every `value_period` steps, or, if that is 0, moves by `value_rate` of
    # the way at each. A copy every 1000 steps backs values up once in 1000 steps.
    value_period: int = 0
    value_rate: float = 0.01

    # Hidden layers of V.
    hidden_sizes: tuple[int, ...] = (256, 256)

    # Adam's step size at first; it halves every `learning_rate_half_life` steps (0: never), down
    # to `learning_rate_min`. The optimiser's noise in log π is what keeps a policy from getting
    # sharper, and is as large as the step size.
    learning_rate: float = 1e-3
    learning_rate_half_life: int = 50_000
    learning_rate_min: float = 3e-4
    max_gradient_norm: float = 1.0

    def __post_init__(self) -> None:
        """Checks every field; raises `ConfigError`."""
        super().__post_init__()
        duals = ("state", "batch", "none")
        require(self.dual in duals, "dual", self.dual, f"one of {', '.join(duals)}")
        require(self.epsilon > 0, "epsilon", self.epsilon, "> 0")
        require(self.alpha_min > 0, "alpha_min", self.alpha_min, "> 0")
        require(
            self.alpha_min <= self.alpha <= self.alpha_max,
            "alpha",
            self.alpha,
            "between alpha_min and alpha_max",
        )
        require(self.max_alpha_change > 0, "max_alpha_change", self.max_alpha_change, "> 0")
        require(self.num_dual_actions >= 2, "num_dual_actions", self.num_dual_actions, "at least 2")
        require(self.prior_period >= 0, "prior_period", self.prior_period, "≥ 0")
        require(
            self.prior_period > 0 or self.dual == "none",
            "prior_period",
            self.prior_period,
            "above 0 unless dual=none: α is solved when π̃ moves",
        )
        require(0 <= self.prior_power <= 1, "prior_power", self.prior_power, "in [0, 1]")
        require(self.value_period >= 0, "value_period", self.value_period, "≥ 0")
        require(0 < self.value_rate <= 1, "value_rate", self.value_rate, "in (0, 1]")
        sizes = self.hidden_sizes
        require(
            all(size >= 1 for size in sizes), "hidden_sizes", sizes, "layer sizes of at least 1"
        )
        half_life = self.learning_rate_half_life
        require(half_life >= 0, "learning_rate_half_life", half_life, "≥ 0")
        require(0 < self.learning_rate < math.inf, "learning_rate", self.learning_rate, "> 0")
        require(
            half_life == 0 or 0 < self.learning_rate_min <= self.learning_rate,
            "learning_rate_min",
            self.learning_rate_min,
            f"> 0 and at most learning_rate, which is {self.learning_rate}",
        )


PRESETS = {
    "quinoa": Config(),
    # Couplings whose densities are histograms, a prior that forgets sooner, a policy that may go
    # further in a period, and steps that are neither clipped nor made smaller: what learns in six
    # dimensions (BUILD_NOTES.md).
    "quinoa_piecewise": Config(
        coupling="piecewise_linear",
        num_couplings=2,
        coupling_hidden_sizes=(256, 256),
        prior_power=0.5,
        epsilon=0.2,
        learning_rate_half_life=0,
        max_gradient_norm=0.0,
    ),
    # As near to Algorithm 2 and section 4 as the settings go: π̃ ← π and copies of V. What stays
    # our own: α moves with π̃ rather than at each step, within bounds; its dual has several actions
    # a state; V's output layer is not normalised (BUILD_NOTES.md says why).
    "quinoa_paper": Config(prior_power=1.0, value_period=1000, learning_rate_half_life=0),
}
