"""Replay of images in the memory of one process, deterministic, for the serial engine."""

from __future__ import annotations

import bisect
import pathlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from quinoa.agents.config import OffPolicyConfig
from quinoa.agents.replay.memory import FILE, UniformMemory
from quinoa.agents.replay.planes import Bytes, SharedPlanes
from quinoa.agents.replay.segments import SegmentBuffer
from quinoa.agents.rows import RowLayout, Rows, valid
from quinoa.agents.source import Writer
from quinoa.agents.types import Transition


class _Segment(NamedTuple):
    """The transitions of a segment, without padding.

    Attributes:
        rows: uint8 [n, W'], see `SharedPlanes`.
        numbers: uint16 [n, 2 C], those of the planes in each row.
        planes: uint8 [F, H, W].
    """

    rows: Bytes
    numbers: npt.NDArray[np.uint16]
    planes: Bytes


class ImageMemory(UniformMemory):
    """Stores segments whose planes are shared; selection of transitions is uniform.

    It differs from `MemoryReplay` in that transitions arrive, and the oldest are removed, a segment
    at a time, as in the Reverb table.
    """

    def __init__(self, config: OffPolicyConfig, layout: RowLayout, seed: int) -> None:
        """Makes an empty replay."""
        super().__init__(config, layout, seed)
        self._shared = SharedPlanes(layout, config.segment_length)
        # The segments that are stored are those from `first` on. Beside each is the number of
        # transitions that were inserted up to its end.
        self._segments: list[_Segment | None] = []
        self._ends: list[int] = []
        self._first = 0
        self._num_stored = 0

    @property
    def num_bytes(self) -> int:
        """The size of the stored transitions in the file that `save` writes."""
        return sum(part.rows.nbytes + part.planes.nbytes for part in self._stored())

    def __len__(self) -> int:
        """Transitions stored."""
        return self._num_stored

    def writer(self, num_environments: int) -> Writer:
        """What the actor of so many environments writes to; each actor has its own."""
        length = self._config.segment_length
        buffer = SegmentBuffer(num_environments, length, self._layout, reuses_memory=True)
        return _MemoryWriter(self, buffer)

    def insert(self, segment: Rows) -> None:
        """Inserts a segment, uint8 [L, W], and removes the oldest where there are too many."""
        stored = self._shared.split(segment)
        rows = stored.rows[valid(stored.rows)]
        self._append(_Segment(rows, self._shared.numbers(rows), stored.planes))

    def _append(self, segment: _Segment) -> None:
        self._num_inserted += len(segment.rows)
        self._num_stored += len(segment.rows)
        self._segments.append(segment)
        self._ends.append(self._num_inserted)
        # The newest segment stays, whatever its length.
        while self._num_stored > self._config.max_replay_size and self._first + 1 < len(self._ends):
            oldest = self._segments[self._first]
            assert oldest is not None
            self._num_stored -= len(oldest.rows)
            self._segments[self._first] = None
            self._first += 1
        if self._first > len(self._ends) // 2:
            del self._segments[: self._first], self._ends[: self._first]
            self._first = 0

    def _drawn(self, shape: tuple[int, int]) -> Transition:
        oldest = self._num_inserted - self._num_stored
        drawn = self._rng.integers(oldest, self._num_inserted, size=shape)
        rows = np.empty((drawn.size, self._shared.width), np.uint8)
        (_, *plane_shape), channels = self._shared.block_shape, self._layout.observations.shape[-1]
        planes = np.empty((drawn.size, 2 * channels, *plane_shape), np.uint8)
        for place, number in enumerate(drawn.ravel().tolist()):
            index = bisect.bisect_right(self._ends, number, self._first)
            segment = self._segments[index]
            assert segment is not None
            row = number - self._ends[index]  # From the end.
            rows[place] = segment.rows[row]
            planes[place] = segment.planes[segment.numbers[row]]
        return self._shared.join(
            rows.reshape(*shape, -1), planes.reshape(*shape, *planes.shape[1:])
        )

    def save(self, folder: pathlib.Path) -> None:
        """Writes the stored transitions and the counts of insertions and samples to a folder."""
        stored = self._stored()
        empty = np.empty((0, self._shared.width), np.uint8)
        no_planes = np.empty((0, *self._shared.block_shape[1:]), np.uint8)
        with (folder / FILE).open("wb") as file:
            np.savez(
                file,
                rows=np.concatenate([empty, *(part.rows for part in stored)]),
                planes=np.concatenate([no_planes, *(part.planes for part in stored)]),
                lengths=np.array([(len(of.rows), len(of.planes)) for of in stored], int),
                counts=np.array([self._num_inserted, self._num_sampled]),
            )

    def restore(self, folder: pathlib.Path) -> None:
        """Replaces the stored transitions and the counts by those that `save` wrote.

        The state of the random number generator is not saved, so it stays as it is.

        Raises:
            ValueError: it is of another environment, or does not fit into `max_replay_size`.
            OSError: it cannot be read.
        """
        with np.load(folder / FILE, allow_pickle=False) as saved:
            arrays = dict(saved)
        found = [(name, arrays[name].shape[1:]) for name in ("rows", "planes") if name in arrays]
        wanted = [("rows", (self._shared.width,)), ("planes", self._shared.block_shape[1:])]
        if found != wanted or len(arrays["rows"]) > self._config.max_replay_size:
            raise ValueError(
                f"{folder} has {dict(found)}, not {dict(wanted)}: it is another environment's, or "
                "another max_replay_size's."
            )
        num_inserted, num_sampled = arrays["counts"].tolist()
        self._segments, self._ends, self._first = [], [], 0
        self._num_inserted, self._num_stored = num_inserted - len(arrays["rows"]), 0
        row = plane = 0
        for length, num_planes in arrays["lengths"].tolist():
            rows = arrays["rows"][row : row + length]
            planes = arrays["planes"][plane : plane + num_planes]
            self._append(_Segment(rows, self._shared.numbers(rows), planes))
            row, plane = row + length, plane + num_planes
        self._num_sampled = num_sampled

    def _stored(self) -> list[_Segment]:
        return [segment for segment in self._segments[self._first :] if segment is not None]


class _MemoryWriter:
    """Takes one actor's transitions, and hands over each segment when it is complete."""

    def __init__(self, memory: ImageMemory, buffer: SegmentBuffer) -> None:
        self._memory = memory
        self._buffer = buffer

    def append(self, transitions: Transition, valid: npt.NDArray[np.bool_] | None = None) -> None:
        """Takes one transition of each environment."""
        for segment in self._buffer.append(transitions, valid):
            self._memory.insert(segment)

    def close(self) -> None:
        """Hands over what is under way."""
        for segment in self._buffer.flush():
            self._memory.insert(segment)
