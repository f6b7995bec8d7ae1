"""Policies without a density, as in `quinoa.agents.policies.sampled`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from quinoa.agents.policies.standalone.base import Array, Policy, network, squash


class _Deterministic(Policy, kind="deterministic"):
    """One action in each state."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        super().__init__(arrays)
        self._network = network(arrays, "network")

    def _mode(self, states: Array) -> Array:
        return squash(self._network(states))

    def _sample(self, states: Array, rng: np.random.Generator) -> Array:
        return self._mode(states)


class _Sampler(Policy, kind="sampler"):
    """Noise, as much of it as there are numbers in an action, and a network of it and the state.

    The noise is normal, or one of the first vectors of a set, where there is one.
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        super().__init__(arrays)
        self._network = network(arrays, "network")
        layers = sum(key.startswith("network.") and key.endswith(".b") for key in arrays)
        self._action_size = arrays[f"network.{layers - 1}.b"].size

    def _sample(self, states: Array, rng: np.random.Generator) -> Array:
        if "noise_set" in self._arrays:
            index = rng.integers(int(self._arrays["set_size"][0]), size=len(states))
            noise = self._arrays["noise_set"][index]
        else:
            noise = rng.standard_normal((len(states), self._action_size), np.float32)
        return squash(noise + self._network(np.concatenate([states, noise], axis=-1)))
