"""Quinoa's loss: the TD error of an implicit soft Q-function (Quinoa paper, Eq. 2 and 3)."""

from __future__ import annotations

import tensorflow as tf


def implicit_q(
    log_prob: tf.Tensor, prior_log_prob: tf.Tensor, value: tf.Tensor, alpha: tf.Tensor
) -> tf.Tensor:
    """Q(s, a) = V(s) + α log(π(a|s) / π̃(a|s)) (Eq. 2; Algorithm 2, lines 3 and 5).

    Args:
        log_prob: log π(a|s), float32 [...].
        prior_log_prob: log π̃(a|s), float32 [...].
        value: V(s), float32 [...], or [N, ...] of N values.
        alpha: the temperature, float32 [].
    """
    return value + alpha * (log_prob - prior_log_prob)


def target_q(reward: tf.Tensor, discount: tf.Tensor, next_value: tf.Tensor) -> tf.Tensor:
    """The target r + γ V(s'; φ') (Eq. 3; Algorithm 2, line 6); all float32 [B].

    `discount` is γ times the environment's.
    """
    return reward + discount * next_value


def loss(q: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """The mean of (q − q')² over the batch, no gradient through q' (Eq. 3), float32 [].

    `target` is float32 [B], and `q` [B], or [N, B] of N values, each of which is to be the target.
    """
    return tf.reduce_mean(tf.math.squared_difference(q, tf.stop_gradient(target)))
