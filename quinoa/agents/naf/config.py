"""NAF's configuration and its presets."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from quinoa.agents.config import LayerNorm, LayerSizes, NoisyConfig
from quinoa.config.fields import Absent, Bounds


@dataclasses.dataclass(frozen=True)
class Config(NoisyConfig):
    """Settings of NAF.

    Two layers of 200 units are the paper's, which chose the rest for each task.
    """

    target_rate: Annotated[float, Bounds(above=0, at_most=1)] = 0.005
    """How far the target of V moves towards V at each step."""

    hidden_sizes: LayerSizes = (200, 200)
    """Hidden layers of V, of the best action and of the precision matrix, a network each."""
    layer_norm: Annotated[LayerNorm, Absent(False)] = False
    """Whether layer normalisation comes before each ReLU of these (Ba, Kiros & Hinton, 2016), or
    (`first`) before the first alone."""

    learning_rate: Annotated[float, Bounds(above=0)] = 1e-3
    """Adam's step size."""


PRESETS = {"naf": Config()}
