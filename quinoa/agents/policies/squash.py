"""Tanh from R to the action interval, with finite values at the interval's ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

# Beyond this |y|, float32 resolves tanh(y) too coarsely: 1 - tanh(7) = 1.7e-6 is only 28 steps of
# float32. Actions beyond tanh(7) are read as tanh(7).
MAX_ATANH = 7.0
MAX_ACTION = math.tanh(MAX_ATANH)


def atanh(action: tf.Tensor) -> tf.Tensor:
    """Returns y with tanh(y) = a, for a in [-1, 1] clipped to ±tanh(7), of the same shape.

    y and dy/da are finite everywhere; beyond ±tanh(7) the gradient is 0.
    """
    return tf.atanh(tf.clip_by_value(action, -MAX_ACTION, MAX_ACTION))


def tanh(y: tf.Tensor) -> tf.Tensor:
    """Squashes y into the interval, clipped to ±7 first so that `atanh` is the inverse."""
    return tf.tanh(tf.clip_by_value(y, -MAX_ATANH, MAX_ATANH))


def log_slope(y: tf.Tensor) -> tf.Tensor:
    """Returns log(d tanh(y) / dy) = log(1 - tanh²(y)), without cancellation at large |y|."""
    return 2.0 * (math.log(2.0) - y - tf.math.softplus(-2.0 * y))


def within(outputs: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """Takes a network's outputs, of any shape, to the interval from `low` to `high` by tanh."""
    return low + 0.5 * (high - low) * (tf.tanh(outputs) + 1.0)


def output_for(value: float, low: float, high: float) -> float:
    """What `within` takes to `value`, which lies between `low` and `high`."""
    return math.atanh(2.0 * (value - low) / (high - low) - 1.0)


def clipped_share(action: tf.Tensor) -> tf.Tensor:
    """The share of an action's numbers that are on the clip, beyond ±tanh(7), float32 [].

    Their density is that of the clip, and not of what was drawn: it should be small.
    """
    return tf.reduce_mean(tf.cast(tf.abs(action) >= MAX_ACTION - 1e-7, tf.float32))


class Squashed(tfd.Distribution):
    """tanh of a distribution on R^A: batch shape [B], event shape [A], support the box.

    The density depends on the action's value alone. (TFP's `TransformedDistribution` caches the y
    of its own samples, which may lie beyond the clipping, and gives those another density than the
    same actions have when they are read from replay.)
    """

    def __init__(self, distribution: Any, name: str = "Squashed"):
        """Makes the distribution of tanh(y).

        Args:
            distribution: of y: a `tfd.Distribution`, or what has its shapes, `sample`, `log_prob`
                and `mode`, as `gaussian.DiagonalGaussian`.
            name: of its operations.
        """
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
        return self._log_prob_of_unsquashed(atanh(action))

    def _sample_and_log_prob(
        self, sample_shape: Sequence[int] | tf.Tensor, seed: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Samples, with log-densities that are more precise than those of `log_prob`.

        Near the edge of the box float32 has few digits of 1 − |a|, and so of atanh(a); here the
        sampled y itself is used. A y beyond the clipping gets the density of the clipped action, as
        in `log_prob`.
        """
        y = self._distribution.sample(sample_shape, seed=seed)
        y = tf.clip_by_value(y, -MAX_ATANH, MAX_ATANH)
        return tf.tanh(y), self._log_prob_of_unsquashed(y)

    def _log_prob_of_unsquashed(self, y: tf.Tensor) -> tf.Tensor:
        """The log-density of the action tanh(y)."""
        return self._distribution.log_prob(y) - tf.reduce_sum(log_slope(y), axis=-1)

    def _mode(self) -> tf.Tensor:
        """Tanh of the mode of y.

        The literature calls this the mode, although the density of actions, which is that of y
        divided by the slope of tanh, peaks elsewhere: at the box's edges for a wide Gaussian.
        """
        return tanh(self._distribution.mode())
