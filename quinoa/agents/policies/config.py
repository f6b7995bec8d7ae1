"""The settings of a flow policy; a module of its own, as the flow imports TensorFlow."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from quinoa.agents.config import LayerSizes, SampledConfig
from quinoa.config.fields import Absent, Bounds, require

DeterministicAction = Literal["mode", "mean"]


@dataclasses.dataclass(frozen=True)
class FlowConfig(SampledConfig):
    """Settings of an agent whose policy is, or may be, a flow."""

    deterministic_action: Annotated[DeterministicAction, Absent("mode")] = "mode"
    """What the policy does where it does not sample, as in evaluations: its most probable action
    (`mode`) or its expected one (`mean`). A Gaussian does what the middle of the Gaussian is mapped
    to, and a policy over finite sets what is most probable, in any case."""

    coupling: Literal["affine", "bounded_affine", "piecewise_linear", "additive"] = "affine"
    """What a coupling does to its half of the action's dimensions: `affine` (Real NVP),
    `bounded_affine` (the same, where the chain of couplings has the bounds of the tanh-Gaussian, so
    that few actions are on the box's edge), `piecewise_linear`, or `additive` (MEow's flow: layer
    normalisation in the couplings, and a Gaussian base whose deviations depend on the state)."""
    num_couplings: Annotated[int, Bounds(at_least=1)] = 4
    """How many couplings the flow has."""
    coupling_hidden_sizes: LayerSizes = (64, 64)
    """Hidden layers of each coupling's sub-network."""
    max_log_scale: Annotated[float, Bounds(above=0)] = 0.7
    """How far an affine coupling may stretch atanh(a), in log."""
    max_shift: Annotated[float, Bounds(above=0)] = 2.0
    """How far an affine or additive coupling may move atanh(a)."""
    min_log_stddev: Annotated[float, Bounds(at_least=-10, at_most=2), Absent(-5.0)] = -5.0
    """The least log σ of the base of `additive` couplings."""
    max_log_stddev: Annotated[float, Bounds(at_least=-10, at_most=2), Absent(-0.3)] = -0.3
    """The greatest, above `min_log_stddev`; near it the policy starts."""
    num_bins: Annotated[int, Bounds(at_least=2)] = 11
    """n, the bins a dimension of a piecewise-linear coupling (in IQ, of a multicategorical
    policy)."""

    def __post_init__(self) -> None:
        """Checks every field, and the two bounds against one another; raises `ConfigError`."""
        super().__post_init__()
        require_log_stddev_bounds(self.min_log_stddev, self.max_log_stddev)


def require_log_stddev_bounds(low: float, high: float) -> None:
    """Raises `ConfigError` unless `min_log_stddev` is below `max_log_stddev`."""
    require(low < high, "min_log_stddev", low, f"below max_log_stddev, which is {high}")
