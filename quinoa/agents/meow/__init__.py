"""MEow: one flow that is Q, its exact soft value and the policy.

Chao et al. (2024), "Maximum Entropy Reinforcement Learning via Energy-Based Normalizing Flow".
"""

from typing import TYPE_CHECKING

from quinoa import lazy
from quinoa.agents.meow.config import PRESETS, Config

if TYPE_CHECKING:
    from quinoa.agents.meow.agent import Agent

__all__ = ["PRESETS", "Agent", "Config"]

__getattr__ = lazy.attributes(__name__, {"Agent": "quinoa.agents.meow.agent"})
