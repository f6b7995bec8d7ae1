"""The configuration of maximum-entropy inverse reinforcement learning, and its presets."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from quinoa.agents.config import DemonstrationConfig
from quinoa.config.fields import Bounds


@dataclasses.dataclass(frozen=True)
class Config(DemonstrationConfig):
    """Settings of maximum-entropy inverse reinforcement learning.

    The paper has online exponentiated gradient descent, and says nothing of its settings.
    """

    optimizer: Literal["lbfgs", "exponentiated_gradient"] = "lbfgs"
    """What climbs the log-likelihood: L-BFGS, as SciPy has it, or exponentiated gradient (Kivinen &
    Warmuth, 1997), the paper's. A gradient step is one gradient of either."""
    regularization: Annotated[float, Bounds(at_least=0)] = 0.01
    """λ of λ/2 ‖θ‖², which is subtracted from the mean log-likelihood. With 0 there may be no
    maximum: where every route is the best one, larger costs are always better."""
    tolerance: Annotated[float, Bounds(above=0)] = 1e-6
    """The run ends when no element of the gradient is greater."""
    initial_weight: Annotated[float, Bounds(at_most=0)] = 0.0
    """What each weight is at the start, below 0. 0 has it follow from the graph, so that the
    partition function converges there."""
    learning_rate: Annotated[float, Bounds(above=0)] = 0.1
    """η of exponentiated gradient; L-BFGS has none. Steps that would be too long are shortened."""
    batch_size: Annotated[int, Bounds(at_least=0)] = 0
    """Routes in one step of exponentiated gradient, drawn without replacement; 0 is all of them,
    as with L-BFGS. With batches η falls as 1 / √step, and the run ends at its last step alone."""
    held_out: Annotated[float, Bounds(at_least=0, below=1)] = 0.2
    """The share of routes, drawn at random, that nothing is learned from: predictions are compared
    with them."""


PRESETS = {"maxent_irl": Config()}
