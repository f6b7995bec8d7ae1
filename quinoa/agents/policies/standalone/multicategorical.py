"""A softmax over bins in each dimension, as in `quinoa.agents.policies.multicategorical`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from quinoa.agents.policies.standalone.base import Array, Policy, draw, log_softmax, network


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
        return self._to_action(self._log_probs(states).argmax(axis=-1))

    def _sample(self, states: Array, rng: np.random.Generator) -> Array:
        logits = self._network(states).reshape(-1, *self._shape)
        return self._to_action(draw(logits, rng))

    def _log_prob(self, states: Array, actions: Array) -> Array:
        last = self._shape[1] - 1
        bins = np.clip(np.rint((actions + 1.0) * (0.5 * last)), 0, last).astype(np.int64)
        chosen = np.take_along_axis(self._log_probs(states), bins[..., None], axis=-1)
        return chosen.sum(axis=(-2, -1))
