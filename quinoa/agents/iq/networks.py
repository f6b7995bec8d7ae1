"""The policy classes that IQ may be run with."""

from __future__ import annotations

from quinoa.agents.iq.config import Config
from quinoa.agents.policies import MultiCategoricalPolicy, TanhGaussianPolicy, make_flow_policy
from quinoa.agents.protocol import Policy


def make_policy(config: Config, observation_size: int, action_size: int) -> Policy:
    """Makes π for observations [B, O] and actions [B, A]."""
    sizes = (observation_size, action_size)
    if config.policy == "flow":
        return make_flow_policy(config, *sizes)
    if config.policy == "gaussian":
        return TanhGaussianPolicy(*sizes, hidden_sizes=config.hidden_sizes)
    return MultiCategoricalPolicy(
        *sizes, hidden_sizes=config.hidden_sizes, num_bins=config.num_bins
    )
