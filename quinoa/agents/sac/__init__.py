"""Soft actor-critic: twin critics, a tanh-Gaussian actor and an adaptive temperature.

Haarnoja et al. (2018b), "Soft Actor-Critic Algorithms and Applications".
"""

from typing import TYPE_CHECKING

from quinoa import lazy
from quinoa.agents.sac.config import PRESETS, Config

if TYPE_CHECKING:
    from quinoa.agents.sac.agent import Agent

__all__ = ["PRESETS", "Agent", "Config"]

__getattr__ = lazy.attributes(__name__, {"Agent": "quinoa.agents.sac.agent"})
