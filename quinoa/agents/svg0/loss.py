"""SVG(0)'s losses: the critic's TD error, and the actor's value by reparametrised actions.

Heess et al. (2015), whose SVG(0) needs no model: the value of a state is the expectation of
Q(s, π(s, η; θ)) over the noise η, and its gradient that of ∂Q/∂a · ∂π/∂θ.
"""

from __future__ import annotations

import tensorflow as tf


def target_q(reward: tf.Tensor, discount: tf.Tensor, next_q: tf.Tensor) -> tf.Tensor:
    """Returns r + γ Q'(s', a') for a' ~ π(·|s'); all float32 [B].

    `discount` is γ times the environment's, and Q' the target critic.
    """
    return reward + discount * next_q


def critic_loss(q: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """The mean of ½ (Q − target)² over the batch, no gradient through the target, float32 [].

    Both are float32 [B].
    """
    return 0.5 * tf.reduce_mean(tf.math.squared_difference(q, tf.stop_gradient(target)))


def actor_loss(q: tf.Tensor, log_prob: tf.Tensor, entropy_weight: float) -> tf.Tensor:
    """The mean of −Q(s, a) + w log π(a|s) over the batch, float32 [].

    Args:
        q: Q(s, a), float32 [B], for a = π(s, η; θ) that the policy's parameters θ move.
        log_prob: log π(a|s), float32 [B].
        entropy_weight: w; 0 is the algorithm of the paper.
    """
    return tf.reduce_mean(entropy_weight * log_prob - q)
