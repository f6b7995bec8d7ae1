"""Replay: segments of transitions in Reverb, and superbatches out of it."""

from __future__ import annotations

from quinoa.agents.replay.dataset import superbatches
from quinoa.agents.replay.memory import MemoryReplay
from quinoa.agents.replay.server import wait_for_server
from quinoa.agents.replay.source import UniformReplay
from quinoa.agents.replay.tables import TABLE, make_table
from quinoa.agents.replay.writer import SegmentWriter

__all__ = [
    "TABLE",
    "MemoryReplay",
    "SegmentWriter",
    "UniformReplay",
    "make_table",
    "superbatches",
    "wait_for_server",
]
