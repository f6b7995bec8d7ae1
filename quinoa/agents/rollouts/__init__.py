"""Rollouts: whole segments in time order, each learned from once, acted with fresh parameters."""

from __future__ import annotations

from quinoa.agents.rollouts.memory import RolloutMemory
from quinoa.agents.rollouts.source import Rollouts

__all__ = ["RolloutMemory", "Rollouts"]
