"""Policies over finite sets of actions, as in `quinoa.agents.policies`: softmax and ε-greedy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from quinoa.agents.policies.standalone.base import Array, Policy, draw, log_softmax, network


class _FiniteSet(Policy):
    """A network with one output for each action."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        super().__init__(arrays)
        self._network = network(arrays, "network")

    def _batch(self, action: Array) -> Array:
        return np.atleast_1d(np.asarray(action, np.int64))

    def _mode(self, states: Array) -> Array:
        return self._network(states).argmax(axis=-1).astype(np.int32)


class _Categorical(_FiniteSet, kind="categorical"):
    """The softmax of the outputs."""

    def _sample(self, states: Array, rng: np.random.Generator) -> Array:
        return draw(self._network(states), rng).astype(np.int32)

    def _log_prob(self, states: Array, actions: Array) -> Array:
        log_probs = log_softmax(self._network(states))
        return np.take_along_axis(log_probs, actions[:, None], axis=-1)[:, 0]


class _ProductCategorical(Policy, kind="product_categorical"):
    """A softmax for each of K choices."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        super().__init__(arrays)
        self._network = network(arrays, "network")

    def _logits(self, states: Array) -> Array:
        """[B, K, n], minus infinity where a choice has fewer than n values."""
        outputs = self._network(states)
        none = np.full((len(outputs), 1), -np.inf, np.float32)
        return np.concatenate([outputs, none], axis=1)[:, self._arrays["places"]]

    def _batch(self, action: Array) -> Array:
        return np.atleast_2d(np.asarray(action, np.int64))

    def _mode(self, states: Array) -> Array:
        return self._logits(states).argmax(axis=-1).astype(np.int32)

    def _sample(self, states: Array, rng: np.random.Generator) -> Array:
        return draw(self._logits(states), rng).astype(np.int32)

    def _log_prob(self, states: Array, actions: Array) -> Array:
        log_probs = log_softmax(self._logits(states))
        return np.take_along_axis(log_probs, actions[..., None], axis=-1)[..., 0].sum(axis=-1)


class _EpsilonGreedy(_FiniteSet, kind="epsilon_greedy"):
    """The action with the highest output, or with the probability ε any, each as likely."""

    def _sample(self, states: Array, rng: np.random.Generator) -> Array:
        q = self._network(states)
        explores = rng.random(len(q)) < self._arrays["epsilon"]
        others = rng.integers(q.shape[-1], size=len(q))
        return np.where(explores, others, q.argmax(axis=-1)).astype(np.int32)

    def _log_prob(self, states: Array, actions: Array) -> Array:
        q, epsilon = self._network(states), self._arrays["epsilon"]
        of_each = epsilon / np.float32(q.shape[-1])
        of_best = np.float32(1.0) - epsilon + of_each
        return np.log(np.where(actions == q.argmax(axis=-1), of_best, of_each))
