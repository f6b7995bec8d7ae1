"""What mean and variance of a batch say, for all the rounding in them."""

from __future__ import annotations

import tensorflow as tf

# A deviation of numbers around 1 that is no more than noise, as of a simulator's rounding.
NOISE = 1e-4
# The same as a share of the mean: two or more steps of float32 there, which rounding makes.
_ROUNDING = 2.0**-22


def varies(mean: tf.Tensor, variance: tf.Tensor, noise: float = NOISE) -> tf.Tensor:
    """Whether numbers vary, by more than noise and what float32's rounding of their mean makes.

    Args:
        mean: of the numbers, float32 [...].
        variance: of the same, float32 [...].
        noise: the deviation that counts as none; 0 for numbers whose unit may be any, such as
            rewards.

    Returns:
        bool [...].
    """
    return tf.sqrt(variance) > tf.maximum(noise, _ROUNDING * tf.abs(mean))


def deviation(mean: tf.Tensor, variance: tf.Tensor, noise: float = NOISE) -> tf.Tensor:
    """The standard deviation, to divide by: 1 where numbers do not vary; see `varies`."""
    return tf.where(varies(mean, variance, noise), tf.sqrt(variance), tf.ones_like(variance))
