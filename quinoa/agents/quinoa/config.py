"""Quinoa's configuration and its presets."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from quinoa.agents.config import LayerSizes
from quinoa.agents.policies.config import FlowConfig
from quinoa.config.fields import Absent, Bounds, require


@dataclasses.dataclass(frozen=True)
class Config(FlowConfig):
    """Settings of Quinoa; docs/decisions/quinoa_search.md says how the defaults were found."""

    dual: Literal["state", "batch", "none"] = "state"
    """The dual that α comes from when π̃ moves: its inner expectation over actions in each `state`
    (section 6.1 with several actions a state), over the whole `batch` (as Algorithm 2, line 4,
    has one expectation, but of exp(Q/α) with Q at the past α, where the line has V/α + D), or
    `none`, which leaves α as it is."""
    epsilon: Annotated[float, Bounds(above=0)] = 0.02
    """ε for each action dimension: the mean KL that π may take from π̃ in a period is this times
    A."""
    alpha: Annotated[float, Bounds(above=0)] = 0.3
    """α at the start (for dual=none, always); between `alpha_min` and `alpha_max`."""
    alpha_min: Annotated[float, Bounds(above=0)] = 0.01
    """The least that α may be."""
    alpha_max: Annotated[float, Bounds(above=0)] = 10.0
    """The most that α may be."""
    max_alpha_change: Annotated[float, Bounds(above=0)] = 0.3
    """The most that α may move at a time, in log: one period's Q is a noisy estimate."""
    num_dual_actions: Annotated[int, Bounds(at_least=2)] = 64
    """M, the actions a state that the dual's expectation is taken over, half of them from π and
    half from π_k. ε times A must be below log(M/2); with dual=batch, whose expectation is over
    those of all B states, below log(B M/2)."""

    prior_period: Annotated[int, Bounds(at_least=0)] = 1000
    """π̃ moves every so many steps (Algorithm 2, line 8); 0, which needs dual=none, leaves it
    uniform for ever."""
    prior_power: Annotated[float, Bounds(at_least=0, at_most=1)] = 0.9
    """ρ in π̃ ∝ π^ρ u^(1−ρ), u being uniform. 1 is the paper's π̃ ← π, under which a policy that
    once leant the wrong way must be argued back step by step; below 1, π̃ forgets by ρ a period."""
    value_period: Annotated[int, Bounds(at_least=0)] = 0
    """The target V is copied every so many steps; 0 has it move by `value_rate` at each. A copy
    every 1000 steps backs values up once in 1000 steps."""
    value_rate: Annotated[float, Bounds(above=0, at_most=1)] = 0.01
    """How far the target V moves towards V at each step, if `value_period` is 0."""
    num_values: Annotated[int, Bounds(at_least=1), Absent(1)] = 1
    """How many values V there are, each with its target: the least of them is the target's. The
    paper has one."""

    hidden_sizes: LayerSizes = (256, 256)
    """Hidden layers of V."""

    learning_rate: Annotated[float, Bounds(above=0)] = 1e-3
    """Adam's step size at first. The optimiser's noise in log π is what keeps a policy from getting
    sharper, and is as large as the step size."""
    learning_rate_half_life: Annotated[int, Bounds(at_least=0)] = 50_000
    """Steps in which the learning rate halves, down to `learning_rate_min`; 0 leaves it as it
    is."""
    learning_rate_min: float = 3e-4
    """The least that the learning rate becomes; > 0 and at most `learning_rate`, unless
    `learning_rate_half_life` is 0."""
    max_gradient_norm: float = 1.0

    def __post_init__(self) -> None:
        """Checks every field, and those that depend on one another; raises `ConfigError`."""
        super().__post_init__()
        require(
            self.alpha_min <= self.alpha <= self.alpha_max,
            "alpha",
            self.alpha,
            "between alpha_min and alpha_max",
        )
        require(
            self.prior_period > 0 or self.dual == "none",
            "prior_period",
            self.prior_period,
            "above 0 unless dual=none: α is solved when π̃ moves",
        )
        require(
            self.learning_rate_half_life == 0 or 0 < self.learning_rate_min <= self.learning_rate,
            "learning_rate_min",
            self.learning_rate_min,
            f"> 0 and at most learning_rate, which is {self.learning_rate}",
        )
        require(
            self.learning_rate_half_life == 0 or self.learning_rate_schedule == "constant",
            "learning_rate_schedule",
            self.learning_rate_schedule,
            "constant unless learning_rate_half_life is 0: that one is a schedule of Quinoa's own",
        )


PRESETS = {
    "quinoa": Config(),
    # Couplings whose densities are histograms, a prior that forgets sooner, a policy that may go
    # further in a period, and steps that are neither clipped nor made smaller: what learns in six
    # dimensions (docs/decisions/quinoa_search.md). Its expected action is far better than the
    # densest one (docs/decisions/deterministic_action.md).
    "quinoa_piecewise": Config(
        coupling="piecewise_linear",
        num_couplings=2,
        coupling_hidden_sizes=(256, 256),
        prior_power=0.5,
        epsilon=0.2,
        learning_rate_half_life=0,
        max_gradient_norm=0.0,
        deterministic_action="mean",
    ),
    # As near to Algorithm 2 and section 4 as the settings go: π̃ ← π and copies of V. What stays
    # our own: α moves with π̃ rather than at each step, within bounds; its dual has several actions
    # a state; V's output layer is not normalised (docs/decisions/quinoa_search.md).
    "quinoa_paper": Config(prior_power=1.0, value_period=1000, learning_rate_half_life=0),
}

ABOUT = {
    "quinoa": "Quinoa: Q = V + α log(π/π̃) with a Real NVP policy",
    "quinoa_piecewise": "Quinoa with a flow of histograms",
    "quinoa_paper": "Quinoa with the paper's schedules",
}
