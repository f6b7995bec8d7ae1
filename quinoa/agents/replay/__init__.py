"""Replay: segments of transitions in Reverb, and superbatches out of it."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from quinoa.agents.replay.dataset import superbatches
from quinoa.agents.replay.memory import MemoryReplay
from quinoa.agents.replay.server import wait_for_server
from quinoa.agents.replay.tables import TABLE, make_table
from quinoa.agents.replay.writer import SegmentWriter
from quinoa.agents.types import Transition

__all__ = [
    "TABLE",
    "MemoryReplay",
    "SegmentWriter",
    "Writer",
    "make_table",
    "superbatches",
    "wait_for_server",
]


class Writer(Protocol):
    """What an actor hands its transitions to."""

    def append(self, transitions: Transition, valid: npt.NDArray[np.bool_] | None = None) -> None:
        """Takes one transition of each of N environments, leading shape [N].

        Where there is `valid`, bool [N], only the rows where it is True are transitions.
        """

    def close(self) -> Any:
        """Hands on what is held back, and takes no more."""
