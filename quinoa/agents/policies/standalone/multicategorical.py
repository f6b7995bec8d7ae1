"""Softmaxes over bins in each dimension, as in `quinoa.agents.policies.multicategorical`.

And in `quinoa.agents.policies.autoregressive`, where each dimension depends on those before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from quinoa.agents.policies.standalone.base import (
    Array,
    Policy,
    draw,
    log_softmax,
    network,
    relu,
)


class _MultiCategorical(Policy, kind="multicategorical"):
    """A softmax over the bins -1 + 2 j / (n - 1) in each dimension."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        super().__init__(arrays)
        self._network = network(arrays, "network")
        self._shape = int(arrays["action_size"]), int(arrays["num_bins"])

    def _log_probs(self, states: Array) -> Array:
        return log_softmax(self._network(states).reshape(-1, *self._shape))

    def _to_action(self, bins: Array) -> Array:
        return (bins * (2.0 / (self._shape[1] - 1)) - 1.0).astype(np.float32)

    def _mode(self, states: Array) -> Array:
        log_probs = self._log_probs(states)
        if self._acts_by_mean:
            return self._mean(log_probs)
        return self._to_action(log_probs.argmax(axis=-1))

    def _mean(self, log_probs: Array) -> Array:
        """The expected value of each dimension, [B, A], of [B, A, n]."""
        return np.exp(log_probs) @ self._to_action(np.arange(self._shape[1]))

    def _sample(self, states: Array, rng: np.random.Generator) -> Array:
        logits = self._network(states).reshape(-1, *self._shape)
        return self._to_action(draw(logits, rng))

    def _log_prob(self, states: Array, actions: Array) -> Array:
        bins = self._to_bins(actions)
        chosen = np.take_along_axis(self._log_probs(states), bins[..., None], axis=-1)
        return chosen.sum(axis=(-2, -1))

    def _to_bins(self, actions: Array) -> Array:
        last = self._shape[1] - 1
        return np.clip(np.rint((actions + 1.0) * (0.5 * last)), 0, last).astype(np.int64)


class _Autoregressive(_MultiCategorical, kind="autoregressive"):
    """The same, where units add to each dimension's logits what they see of those before it."""

    def _mode(self, states: Array) -> Array:
        bins, logits = self._in_order(states, lambda j, logits: logits.argmax(axis=-1))
        return self._mean(log_softmax(logits)) if self._acts_by_mean else self._to_action(bins)

    def _sample(self, states: Array, rng: np.random.Generator) -> Array:
        # `draw` writes over the logits, which nothing reads after it.
        bins, _ = self._in_order(states, lambda j, logits: draw(logits, rng))
        return self._to_action(bins)

    def _log_prob(self, states: Array, actions: Array) -> Array:
        known = self._to_bins(actions)
        _, logits = self._in_order(states, lambda j, logits: known[:, j])
        chosen = np.take_along_axis(log_softmax(logits), known[..., None], axis=-1)
        return chosen.sum(axis=(-2, -1))

    def _in_order(self, states: Array, choose: Any) -> tuple[Array, Array]:
        """Chooses the bins of one dimension after another.

        Args:
            states: [B, O].
            choose: from a dimension and its logits, [B, n], to bins, int64 [B].

        Returns:
            The bins, int64 [B, A]; and all logits, [B, A, n].
        """
        (size, number), arrays = self._shape, self._arrays
        outputs = self._network(states)
        logits = outputs[:, : size * number].reshape(-1, size, number)
        inputs = outputs[:, size * number :].copy()
        given, output = arrays["given.0.w"], arrays["output.0.w"]
        bins = np.empty((len(states), size), np.int64)
        for j in range(size):
            of_dimension = slice(j * number, (j + 1) * number)
            weights = output[:, of_dimension] * arrays["output_mask"][:, of_dimension]
            logits[:, j] += relu(inputs.copy()) @ weights
            bins[:, j] = choose(j, logits[:, j])
            inputs += given[j * number + bins[:, j]] * arrays["given_mask"][j * number]
        return bins, logits
