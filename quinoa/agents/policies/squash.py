"""The tanh between R and the action interval, kept finite at the interval's edges."""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf
from tensorflow_probability import distributions as tfd

# |y| beyond which tanh(y) has too few neighbours in float32 to be told apart: 1 - tanh(7) = 1.7e-6
# is 28 steps of float32. Actions beyond tanh(7) are read as tanh(7).
MAX_ATANH = 7.0
MAX_ACTION = math.tanh(MAX_ATANH)


def atanh(action: tf.Tensor) -> tf.Tensor:
    """Returns y with tanh(y) = a, for a in [-1, 1] clipped to ±tanh(7), of the same shape.

    y and dy/da are finite everywhere; beyond ±tanh(7) the gradient is 0.
    """
    return tf.atanh(tf.clip_by_value(action, -MAX_ACTION, MAX_ACTION))


def tanh(y: tf.Tensor) -> tf.Tensor:
    """Squashes y into the interval, clipped so that `atanh` returns what `log_prob` sees."""
    return tf.tanh(tf.clip_by_value(y, -MAX_ATANH, MAX_ATANH))


def log_slope(y: tf.Tensor) -> tf.Tensor:
    """Returns log(d tanh(y) / dy) = log(1 - tanh²(y)), without cancellation at large |y|."""
    return 2.0 * (math.log(2.0) - y - tf.math.softplus(-2.0 * y))


class Squashed(tfd.Distribution):
    """tanh of a distribution on R^A: batch shape [B], event shape [A], support the box.

    The density is a function of the action's value alone. (TFP's `TransformedDistribution` would
    remember where its own samples came from, beyond the clipping, and give those another density
    than the same actions read back from replay.)
    """

    def __init__(self, distribution: tfd.Distribution, name: str = "Squashed"):
        """Makes the distribution from the one before the squashing, of the same shapes."""
        parameters = dict(locals())
        self._distribution = distribution
        super().__init__(
            dtype=distribution.dtype,
            reparameterization_type=distribution.reparameterization_type,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    def _batch_shape(self) -> tf.TensorShape:
        return self._distribution.batch_shape

    def _batch_shape_tensor(self) -> tf.Tensor:
        return self._distribution.batch_shape_tensor()

    def _event_shape(self) -> tf.TensorShape:
        return self._distribution.event_shape

    def _event_shape_tensor(self) -> tf.Tensor:
        return self._distribution.event_shape_tensor()

    def _sample_n(self, n: int, seed: tf.Tensor | None = None) -> tf.Tensor:
        return tanh(self._distribution.sample(n, seed=seed))

    def _log_prob(self, action: tf.Tensor) -> tf.Tensor:
        return self._log_prob_before(atanh(action))

    def _sample_and_log_prob(
        self, sample_shape: Sequence[int] | tf.Tensor, seed: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Samples and their log-densities, which `log_prob` would know to a few digits less.

        Near the edge of the box float32 holds few digits of 1 − |a|, and so of atanh(a); here the y
        that was drawn is at hand. What is beyond the clipping has the density of the action that it
        is clipped to, as in `log_prob`.
        """
        y = self._distribution.sample(sample_shape, seed=seed)
        y = tf.clip_by_value(y, -MAX_ATANH, MAX_ATANH)
        return tf.tanh(y), self._log_prob_before(y)

    def _log_prob_before(self, y: tf.Tensor) -> tf.Tensor:
        """The log-density of the action tanh(y), of y before the squashing."""
        return self._distribution.log_prob(y) - tf.reduce_sum(log_slope(y), axis=-1)

    def _mode(self) -> tf.Tensor:
        """The image of the mode before the squashing.

        The field calls it the mode, though the density itself, which the slope of tanh divides,
        peaks elsewhere: for a wide Gaussian at the edges of the box.
        """
        return tanh(self._distribution.mode())
