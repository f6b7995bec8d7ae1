"""DQN, and its soft variants with an entropy bonus or a KL penalty, for finite sets of actions.

Mnih et al. (2015), "Human-level control through deep reinforcement learning"; Schulman, Chen &
Abbeel (2017), "Equivalence Between Policy Gradients and Soft Q-Learning", section 6.2.
"""

from typing import TYPE_CHECKING

from quinoa import lazy
from quinoa.agents.dqn.config import ABOUT, PRESETS, Config

if TYPE_CHECKING:
    from quinoa.agents.dqn.agent import Agent

__all__ = ["ABOUT", "PRESETS", "Agent", "Config"]

__getattr__ = lazy.attributes(__name__, {"Agent": "quinoa.agents.dqn.agent"})
