"""Rollouts in the memory of one process, for the serial engine."""

from __future__ import annotations

import collections
from pathlib import Path

import numpy as np
import numpy.typing as npt

from quinoa.agents.config import OnPolicyConfig
from quinoa.agents.rollouts.buffer import RolloutBuffer
from quinoa.agents.rows import RowLayout, Rows
from quinoa.agents.types import Transition


class RolloutMemory:
    """Holds segments until a batch of them is complete.

    Actors act with the learner's own variables, so a segment is as fresh as can be if it begins
    after the last gradient step: each environment gives as many segments as a batch has of it, and
    what comes after them is dropped until that batch has been learned from.
    """

    def __init__(self, config: OnPolicyConfig, layout: RowLayout, num_environments: int) -> None:
        """Makes an empty memory.

        Args:
            config: of the agent.
            layout: of its rows.
            num_environments: over all actors.

        Raises:
            ConfigError: a batch is no multiple of a segment of each environment.
        """
        self._layout = layout
        self._length = config.segment_length
        self._batch_size = config.batch_size
        self._of_each = config.segments_per_environment(num_environments)
        self._segments: collections.deque[Rows] = collections.deque()
        self._writers: list[_MemoryWriter] = []
        self._num_inserted = 0
        self._num_sampled = 0

    @property
    def num_inserted(self) -> int:
        """Transitions of complete segments so far, those learned from included."""
        return self._num_inserted

    @property
    def num_sampled(self) -> int:
        """Transitions learned from so far."""
        return self._num_sampled

    @property
    def num_bytes(self) -> int:
        """What `save` writes: nothing."""
        return 0

    def __len__(self) -> int:
        """Transitions of complete segments that have yet to be learned from."""
        return len(self._segments) * self._length

    def writer(self, num_environments: int) -> _MemoryWriter:
        """What the actor of so many environments writes to; each actor has its own."""
        buffer = RolloutBuffer(num_environments, self._length, self._layout)
        writer = _MemoryWriter(self, buffer, self._of_each)
        self._writers.append(writer)
        return writer

    def insert(self, segments: Rows) -> None:
        """Takes complete segments, [N, L, W]."""
        self._segments.extend(segments)
        self._num_inserted += len(segments) * self._length

    def can_sample(self, num_transitions: int) -> bool:
        """Whether so many transitions are in complete segments."""
        return len(self) >= num_transitions

    def sample(self, steps_per_call: int) -> Transition:
        """Takes out the oldest segments, and has the writers begin the next batch.

        Args:
            steps_per_call: K; one, in effect, as there is never more than one batch.

        Returns:
            NumPy arrays, leading shape [K, S, L].

        Raises:
            RuntimeError: there are not as many segments.
        """
        number = self._batch_size // self._length
        if len(self._segments) < steps_per_call * number:
            raise RuntimeError(f"There are no {steps_per_call * number} segments to learn from.")
        taken = [self._segments.popleft() for _ in range(steps_per_call * number)]
        for writer in self._writers:
            writer.begin(self._of_each)
        self._num_sampled += len(taken) * self._length
        shape = (steps_per_call, number, self._length, self._layout.width)
        return self._layout.unpack(np.reshape(np.stack(taken), shape))

    def save(self, folder: Path) -> None:
        """Writes nothing: where a run resumes, its actors act anew with what was learned."""

    def restore(self, folder: Path) -> None:
        """Reads nothing, see `save`."""


class _MemoryWriter:
    """Takes one actor's transitions, up to the segments of a batch."""

    def __init__(self, memory: RolloutMemory, buffer: RolloutBuffer, of_each: int) -> None:
        self._memory = memory
        self._buffer = buffer
        self._left = of_each

    def begin(self, of_each: int) -> None:
        """Takes so many segments of each environment from now on."""
        self._left = of_each

    def append(self, transitions: Transition, valid: npt.NDArray[np.bool_] | None = None) -> None:
        """Takes one transition of each environment, or drops it once the batch has its segments."""
        if not self._left:
            return
        segments = self._buffer.append(transitions, valid)
        if segments is not None:
            self._memory.insert(segments)
            self._left -= 1

    def close(self) -> None:
        """Drops what is under way: a segment that is not complete is not learned from."""
