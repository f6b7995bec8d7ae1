"""Policies: TFP distributions over the action box [-1, 1]^A, parametrised by Sonnet networks.

Each is called as `policy(observation [B, O]) -> tfp.distributions.Distribution`, of batch shape [B]
and event shape [A], whose `sample`, `log_prob` and `mode` are finite everywhere on the box, edges
included.
"""

from typing import TYPE_CHECKING

from quinoa import lazy
from quinoa.agents.policies.config import FlowConfig

if TYPE_CHECKING:
    from quinoa.agents.policies.flow import FlowPolicy, make_flow_policy
    from quinoa.agents.policies.gaussian import BatchNormGaussianPolicy, TanhGaussianPolicy
    from quinoa.agents.policies.multicategorical import MultiCategorical, MultiCategoricalPolicy

__all__ = [
    "BatchNormGaussianPolicy",
    "FlowConfig",
    "FlowPolicy",
    "MultiCategorical",
    "MultiCategoricalPolicy",
    "TanhGaussianPolicy",
    "make_flow_policy",
]

__getattr__ = lazy.attributes(
    __name__,
    {
        "FlowPolicy": "quinoa.agents.policies.flow",
        "make_flow_policy": "quinoa.agents.policies.flow",
        "BatchNormGaussianPolicy": "quinoa.agents.policies.gaussian",
        "TanhGaussianPolicy": "quinoa.agents.policies.gaussian",
        "MultiCategorical": "quinoa.agents.policies.multicategorical",
        "MultiCategoricalPolicy": "quinoa.agents.policies.multicategorical",
    },
)
