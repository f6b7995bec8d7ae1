"""MEow's equations: Q and V of one flow, shifted twice, and the soft Bellman error of both.

Chao et al. (2024), sections 3.1 to 3.3. What is taken from the authors' code (their folder
`cleanrl`) is said to be so: the paper's equation numbers are not at hand.
"""

from __future__ import annotations

import tensorflow as tf


def shifted(log_term: tf.Tensor, shifts: tf.Tensor, alpha: tf.Tensor | float) -> tf.Tensor:
    """α times a logarithm of the flow, plus each learned shift b_i(s) (sections 3.1 and 3.3).

    Of the energy it is Q_i(s, a) = α log(p(g(a|s)) Π |det J|) + b_i(s), over those factors that
    depend on the action; of the normaliser V_i(s) = −α log Π |det J| + b_i(s), over those that do
    not. So V_i = α log ∫ exp(Q_i/α) da exactly, and exp((Q_i − V_i)/α) is the flow's density.

    Args:
        log_term: the flow's energy at (s, a), or the logarithm of its normaliser at s, float32 [B].
        shifts: b_1(s) and b_2(s), float32 [2, B].
        alpha: α.

    Returns:
        Float32 [2, B].
    """
    return alpha * log_term + shifts


def target_q(reward: tf.Tensor, discount: tf.Tensor, next_values: tf.Tensor) -> tf.Tensor:
    """Returns r + γ min_i V̄_i(s'), float32 [B] (section 3.3, shifted clipped double Q-learning).

    Args:
        reward: r, float32 [B].
        discount: γ times the environment's discount, float32 [B].
        next_values: V̄_1(s') and V̄_2(s') of the targets, float32 [2, B].
    """
    return reward + discount * tf.reduce_min(next_values, axis=0)


def loss(q: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """The mean of (Q_i − target)² over the batch and both shifts, float32 [].

    The soft Bellman error of section 3.1, as the authors' code has it: one mean over both, and no
    half before it.

    Args:
        q: Q_1(s, a) and Q_2(s, a), float32 [2, B].
        target: float32 [B]; no gradient flows through it.
    """
    return tf.reduce_mean(tf.math.squared_difference(q, tf.stop_gradient(target)))
