"""DDPG's losses: the critic's TD error, and the value of the actor's one action.

Lillicrap et al. (2016), Algorithm 1; the actor's gradient is the deterministic policy gradient of
Silver et al. (2014), ∂Q/∂a · ∂μ/∂θ.
"""

from __future__ import annotations

import tensorflow as tf


def target_q(reward: tf.Tensor, discount: tf.Tensor, next_q: tf.Tensor) -> tf.Tensor:
    """Returns y = r + γ Q'(s', μ'(s')); all float32 [B].

    `discount` is γ times the environment's, and both Q' and μ' are targets.
    """
    return reward + discount * next_q


def critic_loss(q: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """The mean of (y − Q(s, a))² over the batch, no gradient through y, float32 [].

    Both are float32 [B].
    """
    return tf.reduce_mean(tf.math.squared_difference(q, tf.stop_gradient(target)))


def actor_loss(q: tf.Tensor) -> tf.Tensor:
    """The mean of −Q(s, μ(s)) over the batch, float32 [], for Q(s, μ(s)), float32 [B]."""
    return -tf.reduce_mean(q)
