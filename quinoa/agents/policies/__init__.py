"""Policies: TFP distributions over actions, parametrised by Sonnet networks.

Each is called as `policy(observation [B, O]) -> tfp.distributions.Distribution`, of batch shape
[B]. Those over the action box [-1, 1]^A have the event shape [A], and `sample`, `log_prob` and
`mode` that are finite everywhere on the box, edges included; those over a finite set have the event
shape [], int32, and those over K choices [K]. Those of `sampled` have no density.
"""

from typing import TYPE_CHECKING

from quinoa import lazy
from quinoa.agents.policies.config import FlowConfig

if TYPE_CHECKING:
    from quinoa.agents.policies.autoregressive import AutoregressivePolicy
    from quinoa.agents.policies.categorical import CategoricalPolicy
    from quinoa.agents.policies.configured_flow import make_flow_policy
    from quinoa.agents.policies.epsilon_greedy import EpsilonGreedyPolicy
    from quinoa.agents.policies.flow import FlowPolicy
    from quinoa.agents.policies.gaussian import (
        BatchNormGaussianPolicy,
        SharedVariancePolicy,
        TanhGaussianPolicy,
    )
    from quinoa.agents.policies.multicategorical import MultiCategorical, MultiCategoricalPolicy
    from quinoa.agents.policies.product_categorical import (
        ProductCategorical,
        ProductCategoricalPolicy,
        categorical_policy,
    )
    from quinoa.agents.policies.sampled import (
        DeterministicPolicy,
        SamplerPolicy,
        make_deterministic_policy,
    )

__all__ = [
    "AutoregressivePolicy",
    "BatchNormGaussianPolicy",
    "CategoricalPolicy",
    "DeterministicPolicy",
    "EpsilonGreedyPolicy",
    "FlowConfig",
    "FlowPolicy",
    "MultiCategorical",
    "MultiCategoricalPolicy",
    "ProductCategorical",
    "ProductCategoricalPolicy",
    "SamplerPolicy",
    "SharedVariancePolicy",
    "TanhGaussianPolicy",
    "categorical_policy",
    "make_deterministic_policy",
    "make_flow_policy",
]

__getattr__ = lazy.attributes(
    __name__,
    {
        "AutoregressivePolicy": "quinoa.agents.policies.autoregressive",
        "CategoricalPolicy": "quinoa.agents.policies.categorical",
        "EpsilonGreedyPolicy": "quinoa.agents.policies.epsilon_greedy",
        "FlowPolicy": "quinoa.agents.policies.flow",
        "make_flow_policy": "quinoa.agents.policies.configured_flow",
        "BatchNormGaussianPolicy": "quinoa.agents.policies.gaussian",
        "SharedVariancePolicy": "quinoa.agents.policies.gaussian",
        "TanhGaussianPolicy": "quinoa.agents.policies.gaussian",
        "MultiCategorical": "quinoa.agents.policies.multicategorical",
        "MultiCategoricalPolicy": "quinoa.agents.policies.multicategorical",
        "ProductCategorical": "quinoa.agents.policies.product_categorical",
        "ProductCategoricalPolicy": "quinoa.agents.policies.product_categorical",
        "categorical_policy": "quinoa.agents.policies.product_categorical",
        "DeterministicPolicy": "quinoa.agents.policies.sampled",
        "SamplerPolicy": "quinoa.agents.policies.sampled",
        "make_deterministic_policy": "quinoa.agents.policies.sampled",
    },
)
