"""A2C: advantage actor-critic on segments of n steps, and soft Q-learning in its place.

Mnih et al. (2016), "Asynchronous Methods for Deep Reinforcement Learning"; Schulman, Chen & Abbeel
(2017), "Equivalence Between Policy Gradients and Soft Q-Learning", sections 6.1 and 6.3.
"""

from typing import TYPE_CHECKING

from quinoa import lazy
from quinoa.agents.a2c.config import ABOUT, PRESETS, Config

if TYPE_CHECKING:
    from quinoa.agents.a2c.agent import Agent

__all__ = ["ABOUT", "PRESETS", "Agent", "Config"]

__getattr__ = lazy.attributes(__name__, {"Agent": "quinoa.agents.a2c.agent"})
