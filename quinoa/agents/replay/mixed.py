"""Batches of which a fixed share is from a fixed set of transitions, such as demonstrations.

Ball, Smith, Kostrikov & Levine (2023), "Efficient Online Reinforcement Learning with Offline Data"
(RLPD), section 4.1: each batch has as many transitions of the set, which never changes and is never
evicted, as of what the actors have written. Which source that is, and what the agent does with a
batch, makes no difference.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from quinoa.agents.config import OffPolicyConfig
from quinoa.agents.rows import RowLayout
from quinoa.agents.source import Memory, Parameters, Source, WrappedMemory, Writer
from quinoa.agents.types import ADDED_BY_OTHERS, RUNNING_RETURN, Transition
from quinoa.config.fields import ConfigError

if TYPE_CHECKING:
    import reverb

# Makes, with the seed of a memory, the seed by which transitions of the fixed set are drawn.
_SEED = 0xDE30


def fixed_per_batch(config: OffPolicyConfig, share: float) -> int:
    """D, how many of the B transitions of each batch are of the fixed set.

    Args:
        config: of the agent.
        share: D / B, above 0 and below 1, but for rounding.

    Raises:
        ConfigError: the set or the actors would have none.
    """
    number = round(share * config.batch_size)
    if not 0 < number < config.batch_size:
        raise ConfigError(
            f"demonstration_share = {share:g} cannot work with batch_size = {config.batch_size}: "
            "at least one transition of each batch must be from demonstrations, and one from actors"
        )
    return number


def acted_config(config: OffPolicyConfig, number: int) -> OffPolicyConfig:
    """The configuration of the source of the actors' transitions, B − D in each batch.

    The run has as many gradient steps for each transition that the actors write as it would have
    without the fixed set. So each is learned from (B − D) / B times as often.

    Args:
        config: of the agent.
        number: D.
    """
    left = config.batch_size - number
    samples_per_insert = config.samples_per_insert * left / config.batch_size
    return dataclasses.replace(config, batch_size=left, samples_per_insert=samples_per_insert)


def mixed(
    make: Callable[[OffPolicyConfig], Source],
    config: OffPolicyConfig,
    share: float,
    load: Callable[[], Transition],
) -> MixedSource:
    """A source whose batches have a share from a fixed set of transitions.

    Args:
        make: makes the source of the actors' transitions, of a configuration.
        config: of the agent.
        share: see `fixed_per_batch`.
        load: see `MixedSource`.

    Raises:
        ConfigError: the share, or the agent, does not allow it.
    """
    number = fixed_per_batch(config, share)
    return MixedSource(make(acted_config(config, number)), config, number, load)


class MixedSource(Source):
    """A source of B − D transitions a batch, to which D of a fixed set are added.

    The set is loaded where transitions are learned from, and nowhere else: actors and the replay
    server have this source too.
    """

    def __init__(
        self, acted: Source, config: OffPolicyConfig, number: int, load: Callable[[], Transition]
    ) -> None:
        """Loads nothing yet.

        Args:
            acted: of the actors' transitions, made with `acted_config`.
            config: of the agent.
            number: D.
            load: returns the set: transitions of whole episodes in time order, NumPy arrays of
                leading shape [N], without extras. Can be pickled.

        Raises:
            ConfigError: the agent's actors add to each transition what the set does not have.
        """
        own = sorted(acted.layout.shapes().extras.keys() - ADDED_BY_OTHERS)
        if own:
            raise ConfigError(
                f"this agent cannot learn from demonstrations: they do not have {', '.join(own)}, "
                "which its policy adds to each transition as it acts"
            )
        self._acted = acted
        self._number, self._batch_size = number, config.batch_size
        self._discount = config.discount
        self._load = load
        self._loaded: FixedTransitions | None = None
        self.layout = acted.layout
        self.steps_per_call = acted.steps_per_call
        self.keeps = acted.keeps
        self.capacity = acted.capacity
        self.segment_length = acted.segment_length
        self.combines = acted.combines
        self.publishes_each_call = acted.publishes_each_call
        self.polling_period_s = acted.polling_period_s

    def tables(self) -> Sequence[reverb.Table]:
        """See the base class."""
        return self._acted.tables()

    @property
    def item_bytes(self) -> int:
        """See the base class."""
        return self._acted.item_bytes

    def writer(
        self, server_address: str, num_environments: int, *, should_stop: Callable[[], bool]
    ) -> Writer:
        """See the base class."""
        return self._acted.writer(server_address, num_environments, should_stop=should_stop)

    def synchronized(
        self, parameters: Parameters, writer: Writer, *, should_stop: Callable[[], bool]
    ) -> Parameters:
        """See the base class."""
        return self._acted.synchronized(parameters, writer, should_stop=should_stop)

    def superbatches(
        self,
        server_address: str,
        *,
        fingerprint: Callable[[], int],
        should_stop: Callable[[], bool] | None = None,
    ) -> Generator[Transition, None, None]:
        """See the base class. Whatever is wrong with the set, its loading raises."""
        fixed = self._fixed()
        rng = np.random.default_rng()
        acted = self._acted.superbatches(
            server_address, fingerprint=fingerprint, should_stop=should_stop
        )
        return self._mixed(acted, fixed, rng)

    def _mixed(
        self,
        acted: Generator[Transition, None, None],
        fixed: FixedTransitions,
        rng: np.random.Generator,
    ) -> Generator[Transition, None, None]:
        with contextlib.closing(acted):
            for superbatch in acted:
                drawn = fixed.draw(rng, self.steps_per_call, self._number)
                yield _in_one_batch(superbatch, drawn)

    def blank(self) -> Transition | None:
        """See the base class."""
        acted = self._acted.blank()
        if acted is None:
            return None
        shape = self.steps_per_call, self._number, self.layout.width
        return _in_one_batch(acted, self.layout.unpack(np.zeros(shape, self.layout.dtype)))

    def from_episodes(self, transitions: Transition) -> Transition:
        """See the base class."""
        return self._acted.from_episodes(transitions)

    def memory(self, seed: int) -> Memory:
        """See the base class."""
        share = self._batch_size, self._number
        return _MixedMemory(self._acted.memory(seed), self._fixed(), share, seed)

    def __getstate__(self) -> dict[str, Any]:
        """Without the set: the learner sends this source to the actors, who only write."""
        return {**self.__dict__, "_loaded": None}

    def _fixed(self) -> FixedTransitions:
        if self._loaded is None:
            self._loaded = self._load_fixed()
        return self._loaded

    def _load_fixed(self) -> FixedTransitions:
        transitions = self._load()
        if RUNNING_RETURN in self.layout.shapes().extras:
            running = running_returns(transitions, self._discount)
            transitions = transitions._replace(extras={RUNNING_RETURN: running})
        return FixedTransitions(self._acted.from_episodes(transitions), self.layout)


class FixedTransitions:
    """Transitions that stay as they are, drawn uniformly and with replacement."""

    def __init__(self, transitions: Transition, layout: RowLayout) -> None:
        """Keeps transitions of leading shape [N], with all extras of the layout.

        Raises:
            ValueError: a field has another shape.
        """
        layout.check(transitions, len(transitions.reward))
        self._layout = layout
        self._rows = layout.pack(transitions)

    def draw(self, rng: np.random.Generator, *leading: int) -> Transition:
        """Draws transitions, NumPy arrays of this leading shape."""
        drawn: Transition = self._layout.unpack(
            self._rows[rng.integers(len(self._rows), size=leading)]
        )
        return drawn


class _MixedMemory(WrappedMemory):
    """A memory of B − D transitions a batch, to which D of a fixed set are added."""

    def __init__(
        self, acted: Memory, fixed: FixedTransitions, share: tuple[int, int], seed: int
    ) -> None:
        super().__init__(acted)
        self._fixed = fixed
        self._batch_size, self._number = share
        # A generator of its own, so that the actors' transitions are drawn as without the set.
        self._rng = np.random.default_rng([seed, _SEED])

    def can_sample(self, num_transitions: int) -> bool:
        batches = num_transitions // self._batch_size
        return self._memory.can_sample(batches * (self._batch_size - self._number))

    def sample(self, steps_per_call: int) -> Transition:
        acted = self._memory.sample(steps_per_call)
        return _in_one_batch(acted, self._fixed.draw(self._rng, steps_per_call, self._number))


def running_returns(transitions: Transition, discount: float) -> npt.NDArray[np.float32]:
    """G ← γ G + r since each episode began, float32 [N]; see `RUNNING_RETURN`.

    Args:
        transitions: of whole episodes in time order, leading shape [N].
        discount: γ.
    """
    found = np.array(transitions.reward, np.float32)
    for i in range(1, len(found)):
        if not transitions.last[i - 1]:
            found[i] += np.float32(discount) * found[i - 1]
    return found


def _in_one_batch(acted: Transition, fixed: Transition) -> Transition:
    """Puts superbatches [K, B − D], NumPy or TensorFlow, and [K, D], NumPy, together, [K, B]."""
    if isinstance(acted.reward, np.ndarray):
        return _joined(lambda parts: np.concatenate(parts, axis=1), acted, fixed)
    import tensorflow as tf

    # Where the source's own pipeline makes them.
    with tf.device("CPU"):
        return _joined(lambda parts: tf.concat(parts, axis=1), acted, fixed)


def _joined(join: Callable[[Any], Any], one: Transition, other: Transition) -> Transition:
    pairs = zip(one[:-1], other[:-1], strict=True)
    extras = {name: join([of, other.extras[name]]) for name, of in one.extras.items()}
    return Transition._make([*(join([a, b]) for a, b in pairs), extras])
