"""Replay: segments of transitions in Reverb, and superbatches out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quinoa import lazy
from quinoa.agents.replay.items import TABLE
from quinoa.agents.replay.memory import MemoryReplay
from quinoa.agents.replay.n_step import NStepReplay
from quinoa.agents.replay.server import wait_for_server, wait_to_write
from quinoa.agents.replay.source import UniformReplay
from quinoa.agents.replay.writer import SegmentWriter

if TYPE_CHECKING:
    from quinoa.agents.replay.dataset import superbatches
    from quinoa.agents.replay.tables import make_table

__all__ = [
    "TABLE",
    "MemoryReplay",
    "NStepReplay",
    "SegmentWriter",
    "UniformReplay",
    "make_table",
    "superbatches",
    "wait_for_server",
    "wait_to_write",
]

# These import TensorFlow, which actors, who only write, do not need.
__getattr__ = lazy.attributes(
    __name__,
    {
        "make_table": "quinoa.agents.replay.tables",
        "superbatches": "quinoa.agents.replay.dataset",
    },
)
