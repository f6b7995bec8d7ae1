"""Quinoa: a Q-function you infer normalised over actions.

Degrave et al. (2018), Algorithms 1 and 2.
"""

from quinoa.agents.quinoa.agent import Agent
from quinoa.agents.quinoa.config import PRESETS, Config

__all__ = ["PRESETS", "Agent", "Config"]
