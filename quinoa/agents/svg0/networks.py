"""SVG(0)'s policy; its critic is `quinoa.agents.networks.ActionValue`."""

from __future__ import annotations

from quinoa.agents.policies import TanhGaussianPolicy
from quinoa.agents.protocol import Policy
from quinoa.agents.svg0.config import Config


def make_policy(config: Config, observation_size: int, action_size: int) -> Policy:
    """Makes π for observations [B, O] and actions [B, A]."""
    return TanhGaussianPolicy(observation_size, action_size, hidden_sizes=config.hidden_sizes)
