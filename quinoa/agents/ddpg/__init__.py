"""DDPG: a deterministic actor that climbs its critic, and explores by Ornstein-Uhlenbeck noise.

Lillicrap et al. (2016), "Continuous control with deep reinforcement learning".
"""

from typing import TYPE_CHECKING

from quinoa import lazy
from quinoa.agents.ddpg.config import ABOUT, PRESETS, Config

if TYPE_CHECKING:
    from quinoa.agents.ddpg.agent import Agent

__all__ = ["ABOUT", "PRESETS", "Agent", "Config"]

__getattr__ = lazy.attributes(__name__, {"Agent": "quinoa.agents.ddpg.agent"})
