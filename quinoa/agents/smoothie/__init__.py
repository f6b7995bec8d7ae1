"""Smoothie: a smoothed Q-function, whose derivatives move a Gaussian's mean and covariance.

Nachum et al. (2018), "Smoothed Action Value Functions for Learning Gaussian Policies".
"""

from typing import TYPE_CHECKING

from quinoa import lazy
from quinoa.agents.smoothie.config import ABOUT, PRESETS, Config

if TYPE_CHECKING:
    from quinoa.agents.smoothie.agent import Agent

__all__ = ["ABOUT", "PRESETS", "Agent", "Config"]

__getattr__ = lazy.attributes(__name__, {"Agent": "quinoa.agents.smoothie.agent"})
