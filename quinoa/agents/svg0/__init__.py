"""SVG(0): one critic, and a Gaussian actor that climbs it by reparametrised samples.

Heess et al. (2015), "Learning Continuous Control Policies by Stochastic Value Gradients".
"""

from quinoa.agents.svg0.agent import Agent
from quinoa.agents.svg0.config import PRESETS, Config

__all__ = ["PRESETS", "Agent", "Config"]
