"""Quinoa: a Q-function you infer normalised over actions.

Degrave et al. (2018), Algorithms 1 and 2.
"""

from agents.quinoa.agent import Agent
from agents.quinoa.config import PRESETS, Config

__all__ = ["PRESETS", "Agent", "Config"]
