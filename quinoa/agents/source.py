"""Where a learner gets its transitions from: a source, which each agent chooses.

A source is three things. Tables of a Reverb server store what actors write; a writer in each actor
puts transitions there; superbatches come out of it, and are what the learner minimises its losses
on. In one process, a memory takes the place of the server. `quinoa.agents.replay` is the source of
off-policy agents.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from quinoa.agents.rows import RowLayout
from quinoa.agents.types import Transition

if TYPE_CHECKING:
    import reverb


class Writer(Protocol):
    """What an actor hands its transitions to."""

    def append(self, transitions: Transition, valid: npt.NDArray[np.bool_] | None = None) -> None:
        """Takes one transition of each of N environments, leading shape [N].

        Where there is `valid`, bool [N], only the rows where it is True are transitions.
        """

    def close(self) -> Any:
        """Writes what is buffered; nothing may be appended after that."""


class Parameters(Protocol):
    """What keeps an actor's policy up to date."""

    @property
    def version(self) -> int:
        """The gradient steps that made the policy's parameters; -1 before the first ones."""

    @property
    def fingerprint(self) -> int:
        """A number that the policy's parameters have, and hardly any others."""

    def update(self) -> bool:
        """Sets the policy's variables before a step; whether there were new parameters."""

    def wait(self, timeout_s: float) -> None:
        """Waits until there are new parameters, for so many seconds at most."""

    def close(self) -> None:
        """Ends what runs in the background."""


class Memory(Protocol):
    """A source in the memory of one process, the same every time."""

    @property
    def num_inserted(self) -> int:
        """Transitions inserted so far."""

    @property
    def num_sampled(self) -> int:
        """Transitions that the learner was given so far, repetitions counted."""

    @property
    def num_bytes(self) -> int:
        """Bytes that `save` writes, about."""

    def __len__(self) -> int:
        """Transitions stored."""

    def writer(self, num_environments: int) -> Writer:
        """What the actor of so many environments writes to."""

    def can_sample(self, num_transitions: int) -> bool:
        """Whether the learner may have so many transitions now."""

    def sample(self, steps_per_call: int) -> Transition:
        """A superbatch for K gradient steps, NumPy arrays of leading shape [K, ...]."""

    def save(self, folder: Path) -> None:
        """Writes the stored transitions to a folder."""

    def restore(self, folder: Path) -> None:
        """Replaces the stored transitions by what `save` wrote.

        Raises:
            ValueError: it was written for another environment or configuration.
            OSError: it cannot be read.
        """


class WrappedMemory:
    """Passes everything on to another memory; derived classes override what they change."""

    def __init__(self, memory: Memory) -> None:
        """Wraps a memory."""
        self._memory = memory

    @property
    def num_inserted(self) -> int:
        """See `Memory`, as for the others."""
        return self._memory.num_inserted

    @property
    def num_sampled(self) -> int:
        """Transitions of the wrapped memory that the learner was given."""
        return self._memory.num_sampled

    @property
    def num_bytes(self) -> int:
        """Bytes that `save` writes, about."""
        return self._memory.num_bytes

    def __len__(self) -> int:
        """Transitions stored."""
        return len(self._memory)

    def writer(self, num_environments: int) -> Writer:
        """What the actor of so many environments writes to."""
        return self._memory.writer(num_environments)

    def can_sample(self, num_transitions: int) -> bool:
        """Whether the learner may have so many transitions now."""
        return self._memory.can_sample(num_transitions)

    def sample(self, steps_per_call: int) -> Transition:
        """A superbatch for K gradient steps."""
        return self._memory.sample(steps_per_call)

    def save(self, folder: Path) -> None:
        """Writes the stored transitions to a folder."""
        self._memory.save(folder)

    def restore(self, folder: Path) -> None:
        """Replaces the stored transitions by what `save` wrote."""
        self._memory.restore(folder)


class Source(abc.ABC):
    """What the learner of one agent in one environment reads, and its actors write.

    Attributes:
        layout: of the rows that transitions travel as.
        steps_per_call: K, the gradient steps that one superbatch is for. A run of another K is
            refused.
        keeps: whether transitions are drawn more than once, so that stored ones are worth saving.
        capacity: the most transitions that it stores, the oldest giving way to new ones; None
            where each is removed when it is learned from.
        segment_length: L, the transitions of one item, of each environment that it has some of;
            padding counts as such.
        combines: whether the learner gets transitions that were each made of several, as n-step
            ones are, and not those that the actors wrote.
        publishes_each_call: whether the learner is to publish its parameters after each call,
            rather than a few times a second.
        polling_period_s: seconds from one question of an actor for parameters to the next.
    """

    layout: RowLayout
    steps_per_call: int
    keeps: bool = True
    capacity: int | None = None
    segment_length: int
    combines: bool = False
    publishes_each_call: bool = False
    polling_period_s: float = 0.25

    @abc.abstractmethod
    def tables(self) -> Sequence[reverb.Table]:
        """The tables of the server that actors write to, as new ones."""

    @property
    @abc.abstractmethod
    def item_bytes(self) -> int:
        """The bytes of one item's numbers."""

    @abc.abstractmethod
    def writer(
        self, server_address: str, num_environments: int, *, should_stop: Callable[[], bool]
    ) -> Writer:
        """What the actor of so many environments writes to.

        Args:
            server_address: of the Reverb server, "host:port", which must be up.
            num_environments: N.
            should_stop: asked every 0.1 s while `append` waits; when it is true, that returns.
        """

    def synchronized(
        self, parameters: Parameters, writer: Writer, *, should_stop: Callable[[], bool]
    ) -> Parameters:
        """Has an actor take the parameters that it is to act with, waiting for them if need be.

        Args:
            parameters: of the actor, which keep its policy up to date.
            writer: of the same actor.
            should_stop: asked while parameters are waited for; when it is true, that ends.

        Returns:
            What the actor calls before each step: here, `parameters` themselves, which never wait.
        """
        del writer, should_stop
        return parameters

    @abc.abstractmethod
    def superbatches(
        self,
        server_address: str,
        *,
        fingerprint: Callable[[], int],
        should_stop: Callable[[], bool] | None = None,
    ) -> Generator[Transition, None, None]:
        """Draws superbatches for as long as it is asked to.

        Args:
            server_address: of the Reverb server, "host:port"; it is waited for.
            fingerprint: of the policy's parameters that the next superbatch is learned with, see
                `Parameters`.
            should_stop: asked every 0.1 s or so while there is no superbatch; when it is true, the
                iterator ends.

        Returns:
            An iterator of superbatches, tensors of leading shape [K, ...]. Where it is left before
            its end, its `close()` ends what it runs in the background.

        Raises:
            ConnectionError: no server answers.
            ValueError: the server's table is made for another environment or configuration.
        """

    def from_episodes(self, transitions: Transition) -> Transition:
        """What the learner would get of whole episodes, had actors written them.

        Args:
            transitions: of one episode after the other in time order, NumPy arrays of leading shape
                [N], with the extras that come before the writer.

        Returns:
            NumPy arrays of leading shape [N]: here, what was given.

        Raises:
            NotImplementedError: this source `combines` transitions, and does not say how here.
        """
        if self.combines:
            raise NotImplementedError(
                f"{type(self).__name__} combines transitions, and defines no from_episodes"
            )
        return transitions

    def blank(self) -> Transition | None:
        """A superbatch of zeros, of the shapes and types of those that `superbatches` draws.

        With it the learner traces its graph while the first transitions are gathered. None has it
        wait for the first superbatch.
        """
        return None

    @abc.abstractmethod
    def memory(self, seed: int) -> Memory:
        """A source in this process, without a server.

        Args:
            seed: of what is drawn at random.
        """
