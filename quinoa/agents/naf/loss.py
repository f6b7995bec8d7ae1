"""NAF's Q-function and its one loss (Gu et al., 2016, section 4)."""

from __future__ import annotations

import tensorflow as tf


def advantage(action: tf.Tensor, best: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """A(s, a) = −½ (a − μ)ᵀ P (a − μ) with P = L Lᵀ, float32 [B].

    Args:
        action: a, float32 [B, A].
        best: μ(s), float32 [B, A].
        factor: L(s), lower-triangular with a positive diagonal, float32 [B, A, A].
    """
    deviation = (action - best)[:, :, None]
    scaled = tf.matmul(factor, deviation, transpose_a=True)
    return -0.5 * tf.reduce_sum(tf.square(scaled), axis=[1, 2])


def target_q(reward: tf.Tensor, discount: tf.Tensor, next_value: tf.Tensor) -> tf.Tensor:
    """Returns y = r + γ V'(s'), V' the target network; all float32 [B].

    `discount` is γ times the environment's. V is Q of the best action, as A is 0 there.
    """
    return reward + discount * next_value


def loss(q: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """The mean of (y − Q(s, a))² over the batch, no gradient through y, float32 [].

    Both are float32 [B].
    """
    return tf.reduce_mean(tf.math.squared_difference(q, tf.stop_gradient(target)))
