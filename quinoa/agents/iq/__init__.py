"""Implicit Q-functions: IQ, M-IQ, and what the same loss gives with other choices.

Vieillard et al. (2021), "Implicitly Regularized RL with Implicit Q-Values".
"""

from typing import TYPE_CHECKING

from quinoa import lazy
from quinoa.agents.iq.config import ABOUT, PRESETS, Config

if TYPE_CHECKING:
    from quinoa.agents.iq.agent import Agent

__all__ = ["ABOUT", "PRESETS", "Agent", "Config"]

__getattr__ = lazy.attributes(__name__, {"Agent": "quinoa.agents.iq.agent"})
