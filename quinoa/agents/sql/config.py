"""Soft Q-learning's configuration and its presets."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from quinoa.agents.config import LayerSizes, NoisyConfig
from quinoa.config.fields import Absent, Bounds


@dataclasses.dataclass(frozen=True)
class Config(NoisyConfig):
    """Settings of soft Q-learning; the defaults are those of the paper's appendix D.1.

    It gives no γ, and no number of steps with uniform proposals.
    """

    alpha: Annotated[float, Bounds(above=0)] = 0.1
    """α: the temperature, and what a unit of entropy is worth."""
    final_alpha: Annotated[float, Bounds(at_least=0)] = 0.0
    """α goes to this log-linearly over `alpha_steps`; 0 leaves it as it is."""
    alpha_steps: Annotated[int, Bounds(at_least=1)] = 200_000
    """The gradient steps until α is `final_alpha`, and the set of noise has one vector; the paper's
    fine-tuning takes 20 epochs."""
    noise_set_size: Annotated[int, Bounds(at_least=0), Absent(0)] = 0
    """The sampler's noise ξ is one of so many vectors, of which fewer are used from step to step,
    linearly down to one after `alpha_steps` (D.2); 0 has it drawn from all of N(0, I)."""
    num_particles: Annotated[int, Bounds(at_least=2)] = 32
    """K and M of C.1: the actions in each state that the sampler's direction is found from (M), and
    that are moved by it (K)."""
    num_value_samples: Annotated[int, Bounds(at_least=1)] = 50
    """K_V: the actions in each state that the soft value is estimated from."""
    uniform_steps: Annotated[int, Bounds(at_least=0)] = 10_000
    """For so many gradient steps these are uniform, and then of the sampler (C.2). They count anew
    after each reset."""
    map_policy: bool = False
    """Whether the sampler's direction lacks the kernel's gradient (section 4): its actions then go
    to where Q is greatest."""
    target_period: Annotated[int, Bounds(at_least=1)] = 1000
    """The target Q-function is copied every so many gradient steps."""

    hidden_sizes: LayerSizes = (200, 200)
    """Hidden layers of Q and of the sampler."""

    learning_rate: Annotated[float, Bounds(above=0)] = 1e-3
    """Adam's step size of Q."""
    sampler_learning_rate: Annotated[float, Bounds(above=0)] = 1e-4
    """Adam's step size of the sampler."""
    noise_sigma: float = 0.3
    batch_size: int = 64
    samples_per_insert: float = 64.0
    min_replay_size: int = 10_000


PRESETS = {"sql": Config(), "sql_map": Config(map_policy=True)}

ABOUT = {"sql_map": "Soft Q-learning whose sampler goes to the best action"}
