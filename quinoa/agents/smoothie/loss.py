"""Smoothie's losses and derivatives (Nachum et al., 2018, section 4 and Algorithm 1).

An action is y in R^A here, as in the paper; the agent says how it is one of the box.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from quinoa.agents.types import Seed


def around(action: tf.Tensor, variance: tf.Tensor, seed: Seed) -> tf.Tensor:
    """Draws from N(y, Σ) around actions, float32 [..., A]: the phantom actions of Eq. 18.

    Args:
        action: y, float32 [..., A].
        variance: the diagonal of Σ, float32 [A].
        seed: int32 [2].
    """
    return action + tf.sqrt(variance) * tf.random.stateless_normal(tf.shape(action), seed)


def target_q(reward: tf.Tensor, discount: tf.Tensor, next_q: tf.Tensor) -> tf.Tensor:
    """Returns r + γ Q̃'(s', μ'(s')), the target of Eq. 18; all float32 [B].

    `discount` is γ times the environment's. In Eq. 16, `next_q` is Q'(s', a') for a' ~ π'(·|s').
    """
    return reward + discount * next_q


def weighted_loss(q: tf.Tensor, target: tf.Tensor, weight: tf.Tensor | float = 1.0) -> tf.Tensor:
    """The mean of w (Q̃(s, y) − target)² over the batch, float32 [] (Eq. 18; Eq. 16 and 17).

    Args:
        q: float32 [B], Q̃ of phantom actions.
        target: float32 [B]; no gradient flows through it.
        weight: w = 1/q(ỹ|s), float32 [B], or a number.
    """
    return tf.reduce_mean(weight * tf.math.squared_difference(q, tf.stop_gradient(target)))


def importance_weight(log_density: tf.Tensor, greatest: float) -> tf.Tensor:
    """1/q of Eq. 18 and at most `greatest`, float32 [B], for log q(ỹ|s), float32 [B]."""
    return tf.minimum(tf.exp(-log_density), greatest)


def derivatives(
    function: Callable[[tf.Tensor], tf.Tensor], points: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Finds the gradient g and the diagonal of the Hessian H of Algorithm 1.

    Args:
        function: from actions, float32 [B, A], to values, float32 [B], each of its row alone.
        points: where, float32 [B, A].

    Returns:
        g and the diagonal of H, float32 [B, A] each.

    Raises:
        SecondDerivativeError: the function has a ReLU; see `quinoa.agents.networks`.
    """
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(points)
        with tf.GradientTape() as inner:
            inner.watch(points)
            values = function(points)
        gradient = inner.gradient(values, points)
        columns = tf.unstack(gradient, axis=-1)
    rows = [outer.gradient(column, points) for column in columns]
    diagonal = tf.stack([row[:, i] for i, row in enumerate(rows)], axis=-1)
    return gradient, diagonal


def divergence(
    mean: tf.Tensor, variance: tf.Tensor, old_mean: tf.Tensor, old_variance: tf.Tensor
) -> tf.Tensor:
    """KL(N(μ, Σ) ‖ N(μ', Σ')) of diagonal Gaussians (Eq. 20), float32 [B].

    Args:
        mean: μ, float32 [B, A].
        variance: the diagonal of Σ, float32 [A].
        old_mean: μ', float32 [B, A].
        old_variance: the diagonal of Σ', float32 [A].
    """
    ratio = variance / old_variance
    distance = tf.math.squared_difference(mean, old_mean) / old_variance
    return 0.5 * tf.reduce_sum(ratio + distance - 1.0 - tf.math.log(ratio), axis=-1)


def actor_loss(
    mean: tf.Tensor, variance: tf.Tensor, gradient: tf.Tensor, curvature: tf.Tensor
) -> tf.Tensor:
    """A loss, float32 [], whose gradient is minus Eq. 13 in μ and minus Eq. 15 in Σ.

    Args:
        mean: μ(s), float32 [B, A].
        variance: the diagonal of Σ, float32 [A].
        gradient: g, float32 [B, A]; no gradient flows through it.
        curvature: the diagonal of H, float32 [B, A]; no gradient flows through it.
    """
    gradient, curvature = tf.stop_gradient(gradient), tf.stop_gradient(curvature)
    return -tf.reduce_mean(tf.reduce_sum(gradient * mean + 0.5 * curvature * variance, axis=-1))
