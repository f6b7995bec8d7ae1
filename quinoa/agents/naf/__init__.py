"""NAF: a Q-function that is quadratic in the action, so that its best action is known.

Gu et al. (2016), "Continuous Deep Q-Learning with Model-based Acceleration".
"""

from typing import TYPE_CHECKING

from quinoa import lazy
from quinoa.agents.naf.config import PRESETS, Config

if TYPE_CHECKING:
    from quinoa.agents.naf.agent import Agent

__all__ = ["PRESETS", "Agent", "Config"]

__getattr__ = lazy.attributes(__name__, {"Agent": "quinoa.agents.naf.agent"})
