"""Maximum-entropy inverse reinforcement learning, from demonstrated routes alone.

Ziebart, Maas, Bagnell & Dey (2008), "Maximum Entropy Inverse Reinforcement Learning". The algorithm
is `quinoa.irl`.
"""

from typing import TYPE_CHECKING

from quinoa import lazy
from quinoa.agents.maxent_irl.config import PRESETS, Config

if TYPE_CHECKING:
    from quinoa.agents.maxent_irl.agent import Agent

__all__ = ["PRESETS", "Agent", "Config"]

__getattr__ = lazy.attributes(__name__, {"Agent": "quinoa.agents.maxent_irl.agent"})
