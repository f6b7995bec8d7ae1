"""CrossQ: soft actor-critic with batch renormalisation and without target networks.

Bhatt, Palenicek, Belousov, Argus, Amiranashvili, Brox & Peters (2024), "CrossQ: Batch Normalization
in Deep Reinforcement Learning for Greater Sample Efficiency and Simplicity", arXiv:1902.05605.
"""

from typing import TYPE_CHECKING

from quinoa import lazy
from quinoa.agents.crossq.config import ABOUT, PRESETS, Config

if TYPE_CHECKING:
    from quinoa.agents.crossq.agent import Agent

__all__ = ["ABOUT", "PRESETS", "Agent", "Config"]

__getattr__ = lazy.attributes(__name__, {"Agent": "quinoa.agents.crossq.agent"})
