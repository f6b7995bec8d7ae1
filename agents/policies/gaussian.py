"""The tanh-Gaussian policy: a diagonal Gaussian squashed into the box (SAC's)."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from agents import networks
from agents.policies import squash
from agents.protocol import Policy

# The deviation of the Gaussian before the squashing, as in Haarnoja et al. (2018), but no sharper
# than float32 can tell actions apart near the edges of the box.
_MIN_LOG_STDDEV = -5.0
_MAX_LOG_STDDEV = 2.0


class TanhGaussianPolicy(Policy):
    """A ReLU network whose outputs are the mean and log-deviation of tanh(N(μ, σ²))."""

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        *,
        hidden_sizes: Sequence[int],
        name: str = "policy",
    ):
        """Makes the policy for observations [B, observation_size], its variables created."""
        super().__init__(name=name)
        self._network = networks.mlp(
            observation_size, [*hidden_sizes, 2 * action_size], name="network"
        )

    def __call__(self, observation: tf.Tensor) -> tfd.Distribution:
        """See the base class."""
        mean, raw = tf.split(self._network(observation), 2, axis=-1)
        half_range = 0.5 * (_MAX_LOG_STDDEV - _MIN_LOG_STDDEV)
        log_stddev = _MIN_LOG_STDDEV + half_range * (tf.tanh(raw) + 1.0)
        return squash.Squashed(tfd.MultivariateNormalDiag(mean, tf.exp(log_stddev)))
