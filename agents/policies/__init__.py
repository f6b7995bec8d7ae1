"""Policies: TFP distributions over the action box [-1, 1]^A on Sonnet networks.

Each is `policy(observation [B, O]) -> tfp.distributions.Distribution` with batch shape [B] and
event shape [A], whose `sample`, `log_prob` and `mode` are finite everywhere on the box, edges
included.
"""

from agents.policies.gaussian import TanhGaussianPolicy
from agents.policies.multicategorical import MultiCategorical, MultiCategoricalPolicy
from agents.policies.real_nvp import BoxFlow, FlowConfig, RealNVPPolicy, make_flow_policy

__all__ = [
    "BoxFlow",
    "FlowConfig",
    "MultiCategorical",
    "MultiCategoricalPolicy",
    "RealNVPPolicy",
    "TanhGaussianPolicy",
    "make_flow_policy",
]
