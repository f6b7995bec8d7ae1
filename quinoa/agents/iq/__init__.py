"""Implicit Q-functions: IQ, M-IQ, and what the same loss gives with other choices.

Vieillard et al. (2021), "Implicitly Regularized RL with Implicit Q-Values".
"""

from quinoa.agents.iq.agent import Agent
from quinoa.agents.iq.config import PRESETS, Config

__all__ = ["PRESETS", "Agent", "Config"]
