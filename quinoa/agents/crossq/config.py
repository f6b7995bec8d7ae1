"""CrossQ's configuration and its presets."""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated

from quinoa.agents.config import LayerSizes, SampledConfig
from quinoa.config.fields import Bounds


@dataclasses.dataclass(frozen=True)
class Config(SampledConfig):
    """Settings of CrossQ; the defaults are the paper's, and of its authors' code what it omits."""

    alpha: Annotated[float, Bounds(above=0)] = 1.0
    """α at the start, as in the authors' code."""
    target_entropy: Annotated[float, Bounds(below=math.log(2.0))] = -1.0
    """H̄ for each action dimension, as in SAC: the entropy that α drives the policy to is this times
    A. It is below log 2 = 0.693, the entropy of uniform actions in [-1, 1], which none exceeds."""

    critic_hidden_sizes: LayerSizes = (2048, 2048)
    """Hidden layers of each critic, wide in the paper; SBX has 1024, 1024. With SAC's 256, 256 a
    core does about 25 times as many gradient steps a second (docs/algorithms/crossq.md)."""
    hidden_sizes: LayerSizes = (256, 256)
    """Hidden layers of the actor."""
    statistics_rate: Annotated[float, Bounds(above=0, at_most=1)] = 0.01
    """How far running means and variances move to those of a batch: 1 less the authors' momentum of
    0.99."""
    renorm_warm_up: Annotated[int, Bounds(at_least=0)] = 100_000
    """Updates of a network before batch renormalisation takes the place of plain batch
    normalisation, so that running statistics have settled (the authors' code)."""

    learning_rate: Annotated[float, Bounds(above=0)] = 1e-3
    """Adam's step size, of the critics, the actor and log α."""
    beta_1: Annotated[float, Bounds(at_least=0, below=1)] = 0.5
    """Adam's β₁ of the critics and the actor; that of log α is 0.9, as in the authors' code."""
    policy_period: Annotated[int, Bounds(at_least=1)] = 3
    """Gradient steps of the critics to each of the actor and of log α: the policy delay."""
    samples_per_insert: Annotated[float, Bounds(at_least=0)] = 256.0
    """How often each transition is sampled, on average: 256, with a batch of 256, is one gradient
    step for each environment step. 0 sets no ratio."""
    min_replay_size: Annotated[int, Bounds(at_least=1)] = 5_000
    """Transitions in replay before the first gradient step, as in the authors' code."""


PRESETS = {"crossq": Config(), "crossq_small": Config(critic_hidden_sizes=(256, 256))}

ABOUT = {"crossq_small": "CrossQ with critics as wide as SAC's"}
