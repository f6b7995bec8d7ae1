"""SVG(0): one critic, and a Gaussian actor that climbs it by reparametrised samples.

Heess et al. (2015), "Learning Continuous Control Policies by Stochastic Value Gradients".
"""

from typing import TYPE_CHECKING

from quinoa import lazy
from quinoa.agents.svg0.config import ABOUT, PRESETS, Config

if TYPE_CHECKING:
    from quinoa.agents.svg0.agent import Agent

__all__ = ["ABOUT", "PRESETS", "Agent", "Config"]

__getattr__ = lazy.attributes(__name__, {"Agent": "quinoa.agents.svg0.agent"})
