"""Soft actor-critic: twin critics, a tanh-Gaussian actor and an adaptive temperature.

Haarnoja et al. (2018b), "Soft Actor-Critic Algorithms and Applications".
"""

from quinoa.agents.sac.agent import Agent
from quinoa.agents.sac.config import PRESETS, Config

__all__ = ["PRESETS", "Agent", "Config"]
