"""Replay as a source: transitions drawn uniformly, each many times."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from quinoa.agents.config import OffPolicyConfig
from quinoa.agents.observations import Image
from quinoa.agents.replay import planes
from quinoa.agents.replay.image_memory import ImageMemory
from quinoa.agents.replay.memory import MemoryReplay
from quinoa.agents.replay.writer import SegmentWriter
from quinoa.agents.rows import RowLayout
from quinoa.agents.source import Memory, Source, Writer
from quinoa.agents.types import Transition

if TYPE_CHECKING:
    import reverb


class UniformReplay(Source):
    """Segments in Reverb, whose transitions are shuffled into superbatches [K, B]."""

    def __init__(self, config: OffPolicyConfig, layout: RowLayout, *, steps_per_call: int) -> None:
        """Makes nothing yet.

        Args:
            config: of the agent.
            layout: of its rows.
            steps_per_call: K.
        """
        self._config = config
        self.layout = layout
        self.steps_per_call = steps_per_call
        self.capacity = config.max_replay_size
        self.segment_length = config.segment_length

    @property
    def item_bytes(self) -> int:
        """See the base class."""
        shared = planes.of(self.layout, self.segment_length)
        if shared is None:
            return self.segment_length * self.layout.row_bytes
        # About: a segment has as many planes as there are in a block, or a few more or fewer.
        return self.segment_length * shared.width + math.prod(shared.block_shape)

    def tables(self) -> Sequence[reverb.Table]:
        """See the base class."""
        from quinoa.agents.replay.tables import make_table

        table = make_table(
            self._config,
            self.layout,
            samples_per_insert=self._config.samples_per_insert,
            steps_per_call=self.steps_per_call,
        )
        return [table]

    def writer(
        self, server_address: str, num_environments: int, *, should_stop: Callable[[], bool]
    ) -> Writer:
        """See the base class."""
        return SegmentWriter(
            server_address, num_environments, self._config, self.layout, should_stop=should_stop
        )

    def superbatches(
        self,
        server_address: str,
        *,
        fingerprint: Callable[[], int],
        should_stop: Callable[[], bool] | None = None,
    ) -> Generator[Transition, None, None]:
        """See the base class; whose transitions they are makes no difference."""
        from quinoa.agents.replay.dataset import superbatches

        del fingerprint
        return superbatches(
            server_address,
            self._config,
            self.layout,
            steps_per_call=self.steps_per_call,
            should_stop=should_stop,
        )

    def blank(self) -> Transition:
        """See the base class."""
        shape = self.steps_per_call, self._config.batch_size, self.layout.width
        blank: Transition = self.layout.unpack(np.zeros(shape, self.layout.dtype))
        return blank

    def memory(self, seed: int) -> Memory:
        """See the base class."""
        if isinstance(self.layout.observations, Image):
            return ImageMemory(self._config, self.layout, seed)
        return MemoryReplay(self._config, self.layout, seed)
