"""A2C's advantages and losses, and soft Q-learning's (Schulman, Chen & Abbeel, 2017).

S segments of L transitions, in time order, are float32 [S, L]. π̄ is the uniform policy; for a bonus
on the entropy it is 1 of every action, so that KL[π‖π̄] = E[log π − log π̄] is −H(π).
"""

from __future__ import annotations

import tensorflow as tf


def bellman_errors(
    reward: tf.Tensor, discount: tf.Tensor, value: tf.Tensor, next_value: tf.Tensor
) -> tf.Tensor:
    """Returns δ_t = r_t + γ V(s_{t+1}) − V(s_t) (between Eq. 57 and 58); all float32 [S, L].

    Args:
        reward: r, or r − τ KL (Eq. 80).
        discount: γ times the environment's discount.
        value: V(s_t).
        next_value: V of the state that the transition leads to.
    """
    return reward + discount * next_value - value


def advantages(errors: tf.Tensor, decay: tf.Tensor) -> tf.Tensor:
    """Returns Δ_t = δ_t + γ λ Δ_{t+1}, float32 [S, L], where Δ beyond the last transition is 0.

    With λ = 1 it is the sum of γ^d δ_{t+d}, and so the return of all steps that the segment still
    has, with V of the state after them, less V(s_t) (Eq. 47, 52). With another λ it is that of
    generalised advantage estimation (Schulman et al., 2015, Eq. 16).

    Args:
        errors: δ, float32 [S, L].
        decay: γ λ times the environment's discount, float32 [S, L]; 0 where the episode ends with
            the transition, by a time limit too.
    """
    following, found = tf.zeros_like(errors[:, 0]), []
    for t in reversed(range(errors.shape[1])):
        following = errors[:, t] + decay[:, t] * following
        found.append(following)
    return tf.stack(found[::-1], axis=1)


def policy_loss(log_prob: tf.Tensor, kl: tf.Tensor, advantage: tf.Tensor, tau: float) -> tf.Tensor:
    """The mean of −log π(a_t|s_t) Δ_t + τ KL[π‖π̄] in s_t (Eq. 84), float32 [].

    Args:
        log_prob: log π(a_t|s_t), float32 [S, L].
        kl: KL[π‖π̄] in s_t, float32 [S, L].
        advantage: Δ_t, float32 [S, L], which is taken as fixed.
        tau: τ.
    """
    return tf.reduce_mean(-log_prob * tf.stop_gradient(advantage) + tau * kl)


def value_loss(value: tf.Tensor, advantage: tf.Tensor) -> tf.Tensor:
    """The mean of ½ (V(s_t) − V̂_t)² (Eq. 85), float32 [], with the fixed target V̂_t = V + Δ_t.

    Args:
        value: V(s_t), float32 [S, L].
        advantage: Δ_t, float32 [S, L].
    """
    target = tf.stop_gradient(value + advantage)
    return 0.5 * tf.reduce_mean(tf.math.squared_difference(value, target))


def soft_q_loss(
    log_ratio: tf.Tensor,
    kl: tf.Tensor,
    value: tf.Tensor,
    advantage: tf.Tensor,
    tau: float,
    value_coefficient: float,
) -> tf.Tensor:
    """The mean of ½ (Q(s_t, a_t) − y_t)² (Eq. 44), float32 [], with scaled gradients.

    Q = V + τ log(π/π̄) (Eq. 57), and y_t = τ KL + V + Δ_t (Eq. 47) is fixed. As in section 6.3,
    gradients into the advantage stream, τ log(π/π̄), are multiplied by 1/τ, and those into V by c.

    Args:
        log_ratio: log π(a_t|s_t) − log π̄(a_t|s_t), float32 [S, L].
        kl: KL[π‖π̄] in s_t, float32 [S, L].
        value: V(s_t), float32 [S, L].
        advantage: Δ_t, float32 [S, L].
        tau: τ, above 0.
        value_coefficient: c.
    """
    target = tf.stop_gradient(tau * kl + value + advantage)
    advantage_stream = with_gradient_times(1.0 / tau, tau * log_ratio)
    q = with_gradient_times(value_coefficient, value) + advantage_stream
    return 0.5 * tf.reduce_mean(tf.math.squared_difference(q, target))


def with_gradient_times(factor: float, values: tf.Tensor) -> tf.Tensor:
    """The values, of any shape, whose gradients are multiplied by a factor."""
    return values + (factor - 1.0) * (values - tf.stop_gradient(values))
