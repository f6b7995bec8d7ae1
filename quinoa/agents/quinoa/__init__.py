"""Quinoa: a Q-function you infer normalised over actions.

Degrave et al. (2018), Algorithms 1 and 2.
"""

from typing import TYPE_CHECKING

from quinoa import lazy
from quinoa.agents.quinoa.config import ABOUT, PRESETS, Config

if TYPE_CHECKING:
    from quinoa.agents.quinoa.agent import Agent

__all__ = ["ABOUT", "PRESETS", "Agent", "Config"]

__getattr__ = lazy.attributes(__name__, {"Agent": "quinoa.agents.quinoa.agent"})
