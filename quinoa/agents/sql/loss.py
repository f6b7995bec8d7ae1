"""Soft Q-learning's value, losses and direction of sampling (Haarnoja et al., 2017).

The sampler's actions are y in R^A, of which tanh y is the action in the box; see the agent.
"""

from __future__ import annotations

import math

import tensorflow as tf


def soft_value(q: tf.Tensor, log_proposal: tf.Tensor, alpha: tf.Tensor | float) -> tf.Tensor:
    """V(s) = α log of the mean of exp(Q(s, a)/α) / q(a) (Eq. 10), float32 [B].

    Args:
        q: Q(s, a) of N proposals a ~ q, float32 [B, N].
        log_proposal: log q(a), float32 [B, N].
        alpha: α.
    """
    number = math.log(q.shape[1])
    return alpha * (tf.reduce_logsumexp(q / alpha - log_proposal, axis=1) - number)


def target_q(reward: tf.Tensor, discount: tf.Tensor, next_value: tf.Tensor) -> tf.Tensor:
    """Returns r + γ V̄(s'), the target of Eq. 11; all float32 [B].

    `discount` is γ times the environment's.
    """
    return reward + discount * next_value


def q_loss(q: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """The mean of ½ (Q̂ − Q(s, a))² over the batch (Eq. 11), float32 [].

    Both are float32 [B]; no gradient flows through the target.
    """
    return 0.5 * tf.reduce_mean(tf.math.squared_difference(q, tf.stop_gradient(target)))


def kernel(particles: tf.Tensor, moved: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """κ(y, y') = exp(−‖y − y'‖²/h) between all of two sets, and its gradient by y (D.1).

    h = d / (2 log(M + 1)), where d is the median of the squared distances in the state.

    Args:
        particles: y, float32 [B, M, A].
        moved: y', float32 [B, K, A].

    Returns:
        κ, float32 [B, M, K], and its gradient, float32 [B, M, K, A].
    """
    difference = particles[:, :, None] - moved[:, None]
    squared = tf.reduce_sum(tf.square(difference), axis=-1)
    each = tf.sort(tf.reshape(squared, [tf.shape(squared)[0], -1]), axis=1)
    median = each[:, each.shape[1] // 2]
    # Where all particles have become one, their distances are 0, and so is the kernel's gradient.
    h = tf.maximum(median / (2.0 * math.log(particles.shape[1] + 1.0)), 1e-6)[:, None, None]
    value = tf.exp(-squared / h)
    return value, -2.0 * (value / h)[..., None] * difference


def stein_direction(
    particles: tf.Tensor,
    moved: tf.Tensor,
    gradient: tf.Tensor,
    alpha: tf.Tensor | float,
    *,
    repels: bool = True,
) -> tf.Tensor:
    """Δf of Eq. 13 by its empirical mean over particles (C.1), float32 [B, K, A].

    C.1 leaves α out in front of the kernel's gradient, as if it were 1; Eq. 13 has it.

    Args:
        particles: y, float32 [B, M, A].
        moved: y', which the direction is for, float32 [B, K, A].
        gradient: of Q by y, float32 [B, M, A].
        alpha: α.
        repels: whether the kernel's gradient is in it; without it is the MAP variant (section 4).
    """
    value, by_particle = kernel(particles, moved)
    direction = tf.einsum("bmk,bma->bka", value, gradient)
    if repels:
        direction += alpha * tf.reduce_sum(by_particle, axis=1)
    return direction / particles.shape[1]


def sampler_loss(direction: tf.Tensor, moved: tf.Tensor) -> tf.Tensor:
    """A loss, float32 [], whose gradient is minus Eq. 14's: the mean of −Δf · y'.

    Args:
        direction: Δf, float32 [B, K, A]; no gradient flows through it.
        moved: y' = f(ξ; s), float32 [B, K, A], which the sampler's parameters move.
    """
    return -tf.reduce_mean(tf.reduce_sum(tf.stop_gradient(direction) * moved, axis=-1))
