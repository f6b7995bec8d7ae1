"""DQN's targets and its loss (Schulman, Chen & Abbeel, 2017, Eq. 44, 45 and 81 to 83)."""

from __future__ import annotations

import math

import tensorflow as tf


def chosen(q: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
    """Q(s, a), float32 [B], of Q(s, ·), float32 [B, n], and actions, integers [B]."""
    # A one-hot product: its dense gradient is faster than the scatter of a gather.
    return tf.reduce_sum(tf.one_hot(action, q.shape[-1], dtype=q.dtype) * q, axis=-1)


def standard_value(q: tf.Tensor, chooser: tf.Tensor) -> tf.Tensor:
    """Q(s, argmax_a C(s, a)), float32 [B]: the highest Q where C is Q (Eq. 81).

    With the online network as C and the target network as Q it is that of double DQN (van Hasselt,
    Guez & Silver, 2016, Eq. 4).

    Args:
        q: Q(s, ·), float32 [B, n].
        chooser: C(s, ·), float32 [B, n].
    """
    return chosen(q, tf.argmax(chooser, axis=-1))


def soft_value(q: tf.Tensor, tau: float) -> tf.Tensor:
    """τ log Σ_a exp(Q(s, a) / τ), float32 [B] (Eq. 83), for Q(s, ·), float32 [B, n]."""
    return tau * tf.reduce_logsumexp(q / tau, axis=-1)


def double_soft_value(q: tf.Tensor, chooser: tf.Tensor, tau: float) -> tf.Tensor:
    """E[Q(s, a)] + τ H(π), float32 [B], of π = softmax(C(s, ·) / τ) (Eq. 26 with an entropy).

    It is `soft_value` where C is Q, and `standard_value` as τ goes to 0.

    Args:
        q: Q(s, ·), float32 [B, n].
        chooser: C(s, ·), float32 [B, n].
        tau: τ.
    """
    log_prob = tf.nn.log_softmax(chooser / tau)
    return tf.reduce_sum(tf.exp(log_prob) * (q - tau * log_prob), axis=-1)


def kl_value(entropy_value: tf.Tensor, number: int, tau: float) -> tf.Tensor:
    """The soft value with a penalty on the KL divergence (Eq. 82), of one with an entropy bonus.

    From the uniform policy on n actions, KL = log n − H, so the two differ by τ log n.

    Args:
        entropy_value: `soft_value` or `double_soft_value`, float32 [B].
        number: n.
        tau: τ.
    """
    return entropy_value - tau * math.log(number)


def entropy(chooser: tf.Tensor, tau: float) -> tf.Tensor:
    """H(π) of π = softmax(C(s, ·) / τ), float32 [...], for C(s, ·), float32 [..., n]."""
    log_prob = tf.nn.log_softmax(chooser / tau)
    return -tf.reduce_sum(tf.exp(log_prob) * log_prob, axis=-1)


def bonus_between(
    entropies: tf.Tensor, weights: tf.Tensor, log_reference: float, tau: float
) -> tf.Tensor:
    """Returns −τ Σ_{0<i<n} w_i KL_i (Eq. 46), float32 [B], with KL_i = KL[π‖π̄] in s_{t+i}.

    The first step's KL is not in it: Eq. 46 takes it out of the sum by τ KL_t in front.

    Args:
        entropies: H(π) in the states s_{t+1}, …, s_{t+n−1}, float32 [B, n − 1].
        weights: w, float32 [B, n − 1]: γ^i times the environment's discounts, 0 where there is no
            such state.
        log_reference: log π̄ of every action; 0 for a bonus on the entropy, τ H in place of −τ KL.
        tau: τ.
    """
    return tau * tf.reduce_sum(weights * (entropies + log_reference), axis=-1)


def target_q(reward: tf.Tensor, discount: tf.Tensor, next_value: tf.Tensor) -> tf.Tensor:
    """Returns y = r + γ V(s') (Eq. 45); all float32 [B].

    Args:
        reward: r.
        discount: γ times the environment's discount.
        next_value: V(s'), of the target network.
    """
    return reward + discount * next_value


def loss(q: tf.Tensor, target: tf.Tensor, delta: float) -> tf.Tensor:
    """The mean over the batch of ½ (Q − y)² (Eq. 44), or of Huber's loss (1964).

    Args:
        q: Q(s, a), float32 [B].
        target: y, float32 [B], which is taken as fixed.
        delta: δ: with it, an error e beyond ± δ counts δ (|e| − δ / 2), so that its gradient is
            that of an error of ± δ (Mnih et al., 2015, Methods). 0 leaves all as squares.

    Returns:
        float32 [].
    """
    error = tf.abs(q - tf.stop_gradient(target))
    if not delta:
        return 0.5 * tf.reduce_mean(tf.square(error))
    within = tf.minimum(error, delta)
    return tf.reduce_mean(0.5 * tf.square(within) + delta * (error - within))
