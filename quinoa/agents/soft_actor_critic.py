"""The three losses of soft actor-critics: the critics', the actor's and the temperature's.

Haarnoja et al. (2018b), "Soft Actor-Critic Algorithms and Applications"; equation numbers are that
paper's.
"""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf


def soft_value(q: tf.Tensor, log_prob: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
    """V(s) = min_i Q_i(s, a) − α log π(a|s) for one a ~ π(·|s) (Eq. 3), float32 [B].

    The minimum over the critics is the paper's remedy against values that are too high (section 5).

    Args:
        q: Q_i(s, a), float32 [N, B], of N critics.
        log_prob: log π(a|s), float32 [B].
        alpha: α, float32 [].
    """
    return tf.reduce_min(q, axis=0) - alpha * log_prob


def target_q(reward: tf.Tensor, discount: tf.Tensor, next_value: tf.Tensor) -> tf.Tensor:
    """Returns r + γ V̄(s') (Eq. 2 and 5); all float32 [B].

    `discount` is γ times the environment's, and V̄ the `soft_value` of the target critics, or of the
    critics themselves where there are no others.
    """
    return reward + discount * next_value


def critic_loss(q: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """The mean of ½ (Q_i − target)² over the batch, summed over the critics (Eq. 5), float32 [].

    Args:
        q: Q_i(s, a), float32 [N, B].
        target: float32 [B]; no gradient flows through it.
    """
    error = tf.math.squared_difference(q, tf.stop_gradient(target))
    return 0.5 * tf.reduce_sum(tf.reduce_mean(error, axis=1))


def actor_loss(q: tf.Tensor, log_prob: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
    """The mean of α log π(a|s) − min_i Q_i(s, a) over the batch (Eq. 9), float32 [].

    Args:
        q: Q_i(s, a), float32 [N, B], for a ~ π(·|s) that the policy's parameters move.
        log_prob: log π(a|s), float32 [B].
        alpha: α, float32 []; no gradient flows through it.
    """
    return -tf.reduce_mean(soft_value(q, log_prob, tf.stop_gradient(alpha)))


def temperature_loss(alpha: tf.Tensor, log_prob: tf.Tensor, target_entropy: float) -> tf.Tensor:
    """The mean of −α (log π(a|s) + H̄) over the batch (Eq. 18), float32 [].

    It falls as α grows where the policy's entropy is below H̄, and as α shrinks where it is above.

    Args:
        alpha: α, float32 [].
        log_prob: log π(a|s) for a ~ π(·|s), float32 [B]; no gradient flows through it.
        target_entropy: H̄.
    """
    return -alpha * tf.reduce_mean(tf.stop_gradient(log_prob) + target_entropy)


def metrics(
    error: tf.Tensor, q: tf.Tensor, log_prob: tf.Tensor, alpha: tf.Tensor
) -> Mapping[str, tf.Tensor]:
    """What such an agent says of a batch, float32 [] each, by name.

    Args:
        error: target − Q_i(s, a) of replay's actions, float32 [N, B].
        q: Q_i(s, a), float32 [N, B], for a ~ π(·|s).
        log_prob: log π(a|s) of the same, float32 [B].
        alpha: α, float32 [].
    """
    return {
        "td_error": tf.reduce_mean(tf.abs(error)),
        "value": tf.reduce_mean(soft_value(q, log_prob, alpha)),
        "entropy": -tf.reduce_mean(log_prob),
        "alpha": alpha,
    }
