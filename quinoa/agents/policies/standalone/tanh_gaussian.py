"""A squashed Gaussian, as in `quinoa.agents.policies.gaussian`."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from quinoa.agents.policies.standalone.base import (
    Array,
    Policy,
    halves,
    log_slope,
    network,
    squash,
    unsquash,
    within,
)


class _TanhGaussian(Policy, kind="tanh_gaussian"):
    """tanh of a normal distribution with a diagonal covariance, of the state or a constant one."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        super().__init__(arrays)
        self._network = network(arrays, "network")
        self._max_mean = arrays["max_mean"]
        self._least, self._greatest = arrays["min_log_stddev"], arrays["max_log_stddev"]

    def _parameters(self, states: Array) -> tuple[Array, Array]:
        outputs = self._network(states)
        log_variance = self._arrays.get("log_variance")
        if log_variance is None:
            raw_mean, raw = halves(outputs)
            log_stddev = within(raw, self._least, self._greatest)
        else:
            raw_mean, log_stddev = outputs, np.float32(0.5) * log_variance
        return self._max_mean * np.tanh(raw_mean / self._max_mean), log_stddev

    def _mode(self, states: Array) -> Array:
        return squash(self._parameters(states)[0])

    def _sample(self, states: Array, rng: np.random.Generator) -> Array:
        mean, log_stddev = self._parameters(states)
        noise = rng.standard_normal(mean.shape, np.float32)
        return squash(mean + np.exp(log_stddev) * noise)

    def _log_prob(self, states: Array, actions: Array) -> Array:
        mean, log_stddev = self._parameters(states)
        y = unsquash(actions)
        deviation = (y - mean) * np.exp(-log_stddev)
        normal = -0.5 * deviation**2 - log_stddev - np.float32(0.5 * math.log(2.0 * math.pi))
        return (normal - log_slope(y)).sum(axis=-1)
