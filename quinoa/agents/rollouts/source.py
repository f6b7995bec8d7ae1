"""Rollouts as a source: what an on-policy agent learns from."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from quinoa.agents.config import OnPolicyConfig
from quinoa.agents.rollouts.memory import RolloutMemory
from quinoa.agents.rollouts.writer import RolloutWriter, SynchronizedParameters
from quinoa.agents.rows import RowLayout
from quinoa.agents.source import Parameters, Source, Writer
from quinoa.agents.types import Transition

if TYPE_CHECKING:
    import reverb


class Rollouts(Source):
    """A queue of whole segments, from actors that wait for the version they are to act with.

    A superbatch is for one gradient step, whatever is asked for: the next step needs segments of
    the parameters that this one makes. Its leading shape is [1, S, L], S segments of L transitions
    in time order, of every environment as many.
    """

    keeps = False
    publishes_each_call = True
    # The learner answers when it has newer parameters, see `LearnerNode.get_parameters`.
    polling_period_s = 0.001

    def __init__(self, config: OnPolicyConfig, layout: RowLayout, *, num_environments: int) -> None:
        """Makes nothing yet.

        Args:
            config: of the agent.
            layout: of its rows.
            num_environments: over all actors.

        Raises:
            ConfigError: a batch is no multiple of a segment of each environment.
        """
        self._config = config
        self._num_environments = num_environments
        self._of_each = config.segments_per_environment(num_environments)
        self.layout = layout
        self.steps_per_call = 1
        self.segment_length = config.segment_length

    @property
    def item_bytes(self) -> int:
        """See the base class."""
        # Of the segment of one environment.
        return self.segment_length * self.layout.row_bytes + 8

    def tables(self) -> Sequence[reverb.Table]:
        """See the base class."""
        from quinoa.agents.rollouts.dataset import make_queue

        return [make_queue(self._config, self.layout)]

    def writer(
        self, server_address: str, num_environments: int, *, should_stop: Callable[[], bool]
    ) -> RolloutWriter:
        """See the base class."""
        return RolloutWriter(
            server_address,
            num_environments,
            self._config,
            self.layout,
            of_each=self._of_each,
            should_stop=should_stop,
        )

    def synchronized(
        self, parameters: Parameters, writer: Writer, *, should_stop: Callable[[], bool]
    ) -> SynchronizedParameters:
        """See the base class: here, an actor waits for newer parameters after each batch."""
        if not isinstance(writer, RolloutWriter):
            raise TypeError(f"A {type(writer).__name__} is not a writer of rollouts.")
        return SynchronizedParameters(parameters, writer, should_stop=should_stop)

    def superbatches(
        self,
        server_address: str,
        *,
        fingerprint: Callable[[], int],
        should_stop: Callable[[], bool] | None = None,
    ) -> Generator[Transition, None, None]:
        """See the base class."""
        from quinoa.agents.rollouts.dataset import fresh_batches

        return fresh_batches(
            server_address,
            self._config,
            self.layout,
            fingerprint=fingerprint,
            should_stop=should_stop,
        )

    def blank(self) -> Transition:
        """See the base class."""
        segments = self._config.batch_size // self.segment_length
        shape = 1, segments, self.segment_length, self.layout.width
        blank: Transition = self.layout.unpack(np.zeros(shape, self.layout.dtype))
        return blank

    def memory(self, seed: int) -> RolloutMemory:
        """See the base class; nothing is drawn at random."""
        del seed
        return RolloutMemory(self._config, self.layout, self._num_environments)
