"""Soft Q-learning: an energy-based policy, from which a network learns to sample by Stein's method.

Haarnoja et al. (2017), "Reinforcement Learning with Deep Energy-Based Policies".
"""

from typing import TYPE_CHECKING

from quinoa import lazy
from quinoa.agents.sql.config import ABOUT, PRESETS, Config

if TYPE_CHECKING:
    from quinoa.agents.sql.agent import Agent

__all__ = ["ABOUT", "PRESETS", "Agent", "Config"]

__getattr__ = lazy.attributes(__name__, {"Agent": "quinoa.agents.sql.agent"})
