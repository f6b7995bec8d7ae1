"""The settings of a flow policy; a module of its own, as the flow imports TensorFlow."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from quinoa.agents.config import LayerSizes, OffPolicyConfig
from quinoa.config.fields import Bounds


@dataclasses.dataclass(frozen=True)
class FlowConfig(OffPolicyConfig):
    """Settings of an agent whose policy is, or may be, a flow."""

    coupling: Literal["affine", "bounded_affine", "piecewise_linear"] = "affine"
    """What a coupling does to its half of the action's dimensions: `affine` (Real NVP),
    `bounded_affine` (the same, where the chain of couplings has the bounds of the tanh-Gaussian, so
    that few actions are on the box's edge), or `piecewise_linear`."""
    num_couplings: Annotated[int, Bounds(at_least=1)] = 4
    """How many couplings the flow has."""
    coupling_hidden_sizes: LayerSizes = (64, 64)
    """Hidden layers of each coupling's sub-network."""
    max_log_scale: Annotated[float, Bounds(above=0)] = 0.7
    """How far an affine coupling may stretch atanh(a), in log."""
    max_shift: Annotated[float, Bounds(above=0)] = 2.0
    """How far an affine coupling may move atanh(a)."""
    num_bins: Annotated[int, Bounds(at_least=2)] = 11
    """n, the bins a dimension of a piecewise-linear coupling (in IQ, of a multicategorical
    policy)."""
