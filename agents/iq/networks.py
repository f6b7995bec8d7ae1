"""The policy classes that IQ may be run with."""

from __future__ import annotations

from agents.iq.config import Config
from agents.policies import MultiCategoricalPolicy, RealNVPPolicy, TanhGaussianPolicy
from agents.protocol import Policy


def make_policy(config: Config, observation_size: int, action_size: int) -> Policy:
    """Makes π for observations [B, O] and actions [B, A]."""
    sizes = (observation_size, action_size)
    if config.policy == "flow":
        return RealNVPPolicy(
            *sizes,
            num_couplings=config.num_couplings,
            hidden_sizes=config.coupling_hidden_sizes,
            max_log_scale=config.max_log_scale,
            max_shift=config.max_shift,
        )
    if config.policy == "gaussian":
        return TanhGaussianPolicy(*sizes, hidden_sizes=config.hidden_sizes)
    return MultiCategoricalPolicy(
        *sizes, hidden_sizes=config.hidden_sizes, num_bins=config.num_bins
    )
