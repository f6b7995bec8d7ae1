"""IQ's loss: one squared error trains the policy and the value (IQ paper, Eq. 1 and 2)."""

from __future__ import annotations

import tensorflow as tf


def implicit_q(log_prob: tf.Tensor, value: tf.Tensor, tau: tf.Tensor | float) -> tf.Tensor:
    """Q(s, a) = τ ln π(a|s) + V(s) (Eq. 1); float32 [B], or [N, B] where there are N values."""
    return tau * log_prob + value


def target_q(
    reward: tf.Tensor,
    discount: tf.Tensor,
    next_value: tf.Tensor,
    target_log_prob: tf.Tensor,
    tau: tf.Tensor | float,
    alpha: float,
) -> tf.Tensor:
    """Returns r + ατ ln π̄(a|s) + γ V̄(s') (Eq. 2); all float32 [B].

    Args:
        reward: r.
        discount: γ times the environment's discount.
        next_value: V̄(s'), or V(s') for the residual algorithms.
        target_log_prob: ln π̄(a|s), under the target policy.
        tau: τ.
        alpha: α.
    """
    return reward + alpha * tau * target_log_prob + discount * next_value


def path_rewards(
    log_prob: tf.Tensor,
    target_log_prob: tf.Tensor,
    weights: tf.Tensor,
    tau: tf.Tensor | float,
    alpha: float,
) -> tf.Tensor:
    """Σ_i w_i τ (α ln π̄(a_i|s_i) − ln π(a_i|s_i)), float32 [B]: what joins the rewards of n steps.

    As V(s) = Q(s, a) − τ ln π(a|s) for every action, and Q is the target of Eq. 2, the target of n
    steps, r_0 + Σ_i γ^i (r_i + ατ ln π̄(a_i|s_i) − τ ln π(a_i|s_i)) + γ^n V(s_n), has the fixed
    point of one step, whichever actions were taken: path consistency (Nachum et al., 2017,
    "Bridging the Gap Between Value and Policy Based Reinforcement Learning", Eq. 9). Its error is
    the sum of the errors of one step, each with its w_i.

    Args:
        log_prob: ln π(a_i|s_i) of the n − 1 actions after the first, float32 [B, n − 1], under the
            policy that goes with V(s_n): the target's, or the online one for residual algorithms.
        target_log_prob: ln π̄(a_i|s_i), likewise, under the target policy.
        weights: w_i, what a reward there counts, float32 [B, n − 1]; 0 where there is none.
        tau: τ.
        alpha: α.
    """
    return tau * tf.reduce_sum(weights * (alpha * target_log_prob - log_prob), axis=-1)


def loss(q: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """The mean of (target − Q)² over the batch (Eq. 2), float32 [].

    `target` is float32 [B], and `q` [B], or [N, B] where there are N values: each is to be the same
    target, and the policy, which they share, gets the mean of their gradients.

    Gradients flow into both: a target that is to stay fixed is stopped by the caller, and the
    residual algorithms do not stop it.
    """
    return tf.reduce_mean(tf.math.squared_difference(target, q))
