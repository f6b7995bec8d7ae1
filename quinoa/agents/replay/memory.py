"""Replay in the memory of one process, deterministic, for the serial engine."""

from __future__ import annotations

import abc
import pathlib

import numpy as np
import numpy.typing as npt

from quinoa.agents.config import OffPolicyConfig
from quinoa.agents.rows import RowLayout
from quinoa.agents.source import Writer
from quinoa.agents.types import Transition

# The name of the file that `save` writes.
FILE = "replay.npz"
# Rows to begin with; the storage doubles when it is full, up to `max_replay_size`.
_INITIAL_ROWS = 4096


class UniformMemory(abc.ABC):
    """Counts what is inserted and drawn, uniformly and with replacement.

    It keeps to the same `samples_per_insert` as the Reverb table, but exactly: nothing is drawn
    before it is allowed, since nothing runs at the same time.
    """

    def __init__(self, config: OffPolicyConfig, layout: RowLayout, seed: int) -> None:
        """Counts from 0; `seed` is that of what is drawn."""
        self._config = config
        self._layout = layout
        self._rng = np.random.default_rng(seed)
        self._num_inserted = 0
        self._num_sampled = 0

    @property
    def num_inserted(self) -> int:
        """Transitions inserted so far, those evicted since included."""
        return self._num_inserted

    @property
    def num_sampled(self) -> int:
        """Transitions sampled so far."""
        return self._num_sampled

    @abc.abstractmethod
    def __len__(self) -> int:
        """Transitions stored."""

    def can_sample(self, num_transitions: int) -> bool:
        """Whether `num_transitions` more may be sampled now.

        Not before `min_replay_size` transitions are in, and then `samples_per_insert` for each
        that was inserted after those.
        """
        allowed = self._config.samples_per_insert * (
            self._num_inserted - self._config.min_replay_size
        )
        return self._num_inserted > 0 and self._num_sampled + num_transitions <= allowed

    def sample(self, steps_per_call: int) -> Transition:
        """Draws K·B transitions uniformly, with replacement, whatever the rate.

        Args:
            steps_per_call: K.

        Returns:
            NumPy arrays, leading shape [K, B].

        Raises:
            RuntimeError: there is nothing to draw from.
        """
        if not len(self):
            raise RuntimeError("The replay is empty; append transitions before sampling.")
        shape = (steps_per_call, self._config.batch_size)
        drawn = self._drawn(shape)
        self._num_sampled += shape[0] * shape[1]
        return drawn

    @abc.abstractmethod
    def _drawn(self, shape: tuple[int, int]) -> Transition:
        """Draws transitions of this leading shape; there are some."""


class MemoryReplay(UniformMemory):
    """Stores transitions as rows; selection is uniform, removal first-in first-out."""

    def __init__(self, config: OffPolicyConfig, layout: RowLayout, seed: int) -> None:
        """Makes an empty replay; the memory for `max_replay_size` rows is taken as they come."""
        super().__init__(config, layout, seed)
        rows = min(_INITIAL_ROWS, config.max_replay_size)
        self._rows = np.empty((rows, layout.width), layout.dtype)

    @property
    def num_bytes(self) -> int:
        """The size of the stored transitions, in memory and in the file that `save` writes."""
        return len(self) * self._rows.shape[1] * self._rows.itemsize

    def __len__(self) -> int:
        """Transitions stored."""
        return min(self._num_inserted, self._config.max_replay_size)

    def append(self, transitions: Transition, valid: npt.NDArray[np.bool_] | None = None) -> None:
        """Inserts transitions, the first one first.

        Args:
            transitions: leading shape [N].
            valid: bool [N], False for a row that is no transition and is not inserted. None where
                every row is one.
        """
        rows = self._layout.pack(transitions)
        if valid is not None:
            rows = rows[valid]
        # More than are ever stored would overwrite one another.
        skipped = max(0, len(rows) - self._config.max_replay_size)
        self._grow(len(self) + len(rows))
        positions = np.arange(skipped, len(rows)) + self._num_inserted
        self._rows[positions % self._config.max_replay_size] = rows[skipped:]
        self._num_inserted += len(rows)

    def writer(self, num_environments: int) -> Writer:
        """What the actor of so many environments writes to: this replay itself."""
        del num_environments
        return self

    def close(self) -> None:
        """Does nothing: every transition is stored as soon as it is appended."""

    def _drawn(self, shape: tuple[int, int]) -> Transition:
        return self._layout.unpack(self._rows[self._rng.integers(len(self), size=shape)])

    def save(self, folder: pathlib.Path) -> None:
        """Writes the stored transitions and the counts of insertions and samples to a folder."""
        with (folder / FILE).open("wb") as file:
            np.savez(
                file,
                rows=self._rows[: len(self)],
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
            rows, (num_inserted, num_sampled) = saved["rows"], saved["counts"].tolist()
        stored = min(num_inserted, self._config.max_replay_size)
        if rows.shape != (stored, self._rows.shape[1]) or rows.dtype != self._rows.dtype:
            raise ValueError(
                f"{folder} has rows of shape {rows.shape}, not {(stored, self._rows.shape[1])}: "
                "it is another environment's, or another max_replay_size's."
            )
        self._num_inserted = 0
        self._grow(stored)
        self._rows[:stored] = rows
        self._num_inserted, self._num_sampled = num_inserted, num_sampled

    def _grow(self, num_rows: int) -> None:
        num_rows = min(num_rows, self._config.max_replay_size)
        if num_rows > len(self._rows):
            # Until it has its full size, the storage is filled from the front and never wraps.
            size = min(max(num_rows, 2 * len(self._rows)), self._config.max_replay_size)
            grown = np.empty((size, self._rows.shape[1]), self._rows.dtype)
            grown[: len(self)] = self._rows[: len(self)]
            self._rows = grown
