"""Replay of n-step transitions, each made of n that an environment gave one after the other.

The learner draws single transitions in no order, so their n-step returns are made where the order
is known: on their way from the actor into replay. The learner's target stays r + γ d V(s').
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from quinoa.agents.replay.source import UniformReplay
from quinoa.agents.source import Memory, WrappedMemory, Writer
from quinoa.agents.types import (
    ACTIONS_BETWEEN,
    BETWEEN,
    STATES_BETWEEN,
    WEIGHTS_BETWEEN,
    Transition,
)


class Step(NamedTuple):
    """What N environments gave at one step.

    Attributes:
        transitions: NumPy arrays of leading shape [N].
        valid: which rows are transitions, bool [N].
    """

    transitions: Transition
    valid: npt.NDArray[np.bool_]


class NStepWriter:
    """Puts n transitions of an environment together, and hands the result to another writer.

    Of s_t, a_t, r_t, d_t, s_{t+1}, … it makes s_t, a_t, R, D, s_{t+m} with

        R = Σ_{i<m} γ^i d_t ⋯ d_{t+i−1} r_{t+i},    D = γ^{m−1} d_t ⋯ d_{t+m−1}

    so that R + γ D V(s_{t+m}) is the m-step return (Sutton & Barto, 2018, Eq. 7.1). m is n, or less
    where the episode ends sooner, a transition is missing, or the writer is closed. Each transition
    that was written begins one, which has its extras.
    """

    def __init__(
        self,
        writer: Writer,
        num_steps: int,
        discount: float,
        *,
        between: Collection[str] = (),
    ) -> None:
        """Puts nothing together yet.

        Args:
            writer: takes the results, n − 1 steps later; `close` closes it.
            num_steps: n.
            discount: γ.
            between: which of `BETWEEN` are among the results' extras.
        """
        self._writer = writer
        self._num_steps = num_steps
        self._discount = discount
        self._between = between
        self._window: collections.deque[Step] = collections.deque()

    def append(self, transitions: Transition, valid: npt.NDArray[np.bool_] | None = None) -> None:
        """See `Writer`."""
        if valid is None:
            valid = np.ones(len(transitions.reward), np.bool_)
        # What it is given may be written over before the last of the n steps.
        self._window.append(Step(_copied(transitions), np.array(valid)))
        if len(self._window) == self._num_steps:
            self._write_oldest()

    def close(self) -> Any:
        """Writes what has begun, of fewer steps, and closes the other writer."""
        while self._window:
            self._write_oldest()
        return self._writer.close()

    def _write_oldest(self) -> None:
        combined = combine(self._window, self._discount)
        if self._between:
            combined = _with_between(
                combined, self._window, self._discount, self._num_steps, self._between
            )
        valid = self._window.popleft().valid
        self._writer.append(combined, None if valid.all() else valid)


def combine(steps: Iterable[Step], discount: float) -> Transition:
    """Makes one transition of several consecutive ones; see `NStepWriter`.

    Args:
        steps: in time order, at least one.
        discount: γ.

    Returns:
        The m-step transitions that begin with the first step's, leading shape [N]. Where that one
        is no transition, its row has no meaning.
    """
    (transitions, _), *rest = steps
    combined = _copied(transitions)
    _, _, reward, total_discount, next_observation, last, _ = combined
    continues = ~last
    for step, valid in rest:
        continues &= valid
        reward[continues] += (discount * total_discount * step.reward)[continues]
        total_discount[continues] *= discount * step.discount[continues]
        next_observation[continues] = step.next_observation[continues]
        last[continues] = step.last[continues]
        continues &= ~step.last
    return combined


def between(
    steps: Iterable[Step], discount: float, num_steps: int
) -> dict[str, npt.NDArray[np.float32]]:
    """What lies between the first state and the last, and what the rewards there count.

    Args:
        steps: in time order, from one to n.
        discount: γ.
        num_steps: n.

    Returns:
        `STATES_BETWEEN`, float32 [N, n − 1, O]; `ACTIONS_BETWEEN`, float32 [N, n − 1, A], or
        [N, n − 1] from a finite set; and `WEIGHTS_BETWEEN`, float32 [N, n − 1]. A state and an
        action whose weight is 0 have no meaning.
    """
    (transitions, _), *rest = steps
    states, actions, weights = (
        np.zeros((len(transitions.reward), num_steps - 1, *np.shape(of)[1:]), np.float32)
        for of in (transitions.observation, transitions.action, transitions.reward)
    )
    weight, continues = np.array(transitions.discount), ~np.array(transitions.last)
    for index, (step, valid) in enumerate(rest):
        continues &= valid
        weight *= discount
        states[continues, index] = step.observation[continues]
        actions[continues, index] = step.action[continues]
        weights[continues, index] = weight[continues]
        weight *= step.discount
        continues &= ~step.last
    return {STATES_BETWEEN: states, ACTIONS_BETWEEN: actions, WEIGHTS_BETWEEN: weights}


def _with_between(
    combined: Transition,
    steps: Iterable[Step],
    discount: float,
    num_steps: int,
    names: Collection[str],
) -> Transition:
    """Adds those of `between` that have these names to the extras."""
    everything = between(steps, discount, num_steps)
    added = {name: everything[name] for name in names}
    return combined._replace(extras={**combined.extras, **added})


def _copied(transitions: Transition) -> Transition:
    return _mapped(np.array, transitions)


def _taken(transitions: Transition, places: npt.NDArray[np.int64]) -> Transition:
    return _mapped(lambda values: values[places], transitions)


def _mapped(function: Callable[[Any], Any], transitions: Transition) -> Transition:
    extras = {name: function(values) for name, values in transitions.extras.items()}
    return Transition._make([*map(function, transitions[:-1]), extras])


class NStepReplay(UniformReplay):
    """Uniform replay of n-step transitions, in Reverb or in the memory of one process.

    n is `OffPolicyConfig.n_step`.
    """

    combines = True

    def writer(
        self, server_address: str, num_environments: int, *, should_stop: Callable[[], bool]
    ) -> Writer:
        """See the base class."""
        writer = super().writer(server_address, num_environments, should_stop=should_stop)
        return self._put_together(writer)

    def memory(self, seed: int) -> Memory:
        """See the base class."""
        return _NStepMemory(super().memory(seed), self._put_together)

    def from_episodes(self, transitions: Transition) -> Transition:
        """See the base class."""
        config = self._config
        # All N transitions at once, as if each were of an environment of its own: the step i later
        # is that i places further on, and of no meaning beyond the last one.
        places = np.arange(len(transitions.reward))
        window = [
            Step(_taken(transitions, (places + i) % len(places)), places + i < len(places))
            for i in range(config.n_step)
        ]
        combined = combine(window, config.discount)
        if not self._between:
            return combined
        return _with_between(combined, window, config.discount, config.n_step, self._between)

    @property
    def _between(self) -> Collection[str]:
        return BETWEEN & self.layout.shapes().extras.keys()

    def _put_together(self, writer: Writer) -> NStepWriter:
        config = self._config
        return NStepWriter(writer, config.n_step, config.discount, between=self._between)


class _NStepMemory(WrappedMemory):
    """A memory whose writers put n transitions together."""

    def __init__(self, memory: Memory, put_together: Callable[[Writer], Writer]) -> None:
        super().__init__(memory)
        self._put_together = put_together

    def writer(self, num_environments: int) -> Writer:
        return self._put_together(self._memory.writer(num_environments))
