"""Values and policies of reinforcement learning with a penalty on the divergence from a reference.

The return is the discounted sum of r_t − τ KL_t, where KL_t is the Kullback-Leibler divergence of
the policy from a reference policy π̄ in the state of step t. `reference` may be all ones, which is
no distribution: KL is then minus the entropy, and the penalty an entropy bonus.

A bandit is one state without a next one: where shapes are [..., A], its vectors [A] will do.
"""

from __future__ import annotations

import numpy as np

from quinoa.theory.complex_step import Array
from quinoa.theory.tabular_mdp import TabularMDP, discounted_return

# Policy iteration takes about ten.
_MAX_POLICIES = 1000


def kl_divergence(policy: Array, reference: Array) -> Array:
    """KL[π‖π̄], the sum over actions of π log(π/π̄): [...] of two positive arrays [..., A]."""
    return np.sum(policy * (np.log(policy) - np.log(reference)), axis=-1)


def soft_value(q: Array, reference: Array, tau: float) -> Array:
    """V_Q = τ log E_{a~π̄}[exp(Q/τ)] (Eq. 11, 29, 55).

    Eq. 11 is printed with the division by τ outside of exp; it belongs inside, as in Eq. 29.

    Args:
        q: [..., A].
        reference: π̄, [..., A].
        tau: the temperature τ, above 0.

    Returns:
        [...].
    """
    highest = np.max(q.real, axis=-1, keepdims=True)
    mean = np.sum(reference * np.exp((q - highest) / tau), axis=-1)
    return highest[..., 0] + tau * np.log(mean)


def boltzmann_log_policy(q: Array, reference: Array, tau: float) -> Array:
    """The logarithm of `boltzmann_policy`, which is finite where that is too small for float64."""
    # Of differences of Q: V_Q itself may be so large that, over τ, its rounding would count.
    centred = q - np.max(q.real, axis=-1, keepdims=True)
    return np.log(reference) + (centred - soft_value(centred, reference, tau)[..., None]) / tau


def boltzmann_policy(q: Array, reference: Array, tau: float) -> Array:
    """The Boltzmann policy π̄ exp((Q − V_Q)/τ) (Eq. 2, 10, 12, 27, 28, 30, 56).

    Of all policies it has the largest E_{a~π}[Q] − τ KL[π‖π̄] (Eq. 6, 27).

    Args:
        q: [..., A].
        reference: π̄, [..., A].
        tau: τ.

    Returns:
        [..., A].
    """
    return np.exp(boltzmann_log_policy(q, reference, tau))


def penalized_value(q: Array, policy: Array, reference: Array, tau: float) -> Array:
    """E_{a~π}[Q] − τ KL[π‖π̄] (Eq. 1, 26): [...] of arrays [..., A].

    For the Boltzmann policy of Q this is V_Q (Eq. 13, 31).
    """
    return np.sum(policy * q, axis=-1) - tau * kl_divergence(policy, reference)


def policy_value(mdp: TabularMDP, policy: Array, reference: Array, tau: float) -> Array:
    """V_π, the return that a policy has from each state (Eq. 24), as its linear equations have it.

    Args:
        mdp: with a discount below 1.
        policy: π, [S, A].
        reference: π̄, [S, A].
        tau: τ.

    Returns:
        [S].
    """
    reward = penalized_value(mdp.expected_reward(), policy, reference, tau)
    return discounted_return(mdp, policy, reward)


def q_of_value(mdp: TabularMDP, value: Array) -> Array:
    """E[r + γ V(s') | s, a]: [S, A] of V [S].

    Of V_π this is Q_π, which has no penalty for its first step (Eq. 25).
    """
    return mdp.expected_reward() + mdp.discount * (mdp.transition @ value)


def q_of_log_policy(mdp: TabularMDP, log_policy: Array, reference: Array, tau: float) -> Array:
    """Q_π (Eq. 25): [S, A] of log π [S, A], which may be of probabilities too small for float64.

    Args:
        mdp: with a discount below 1.
        log_policy: log π, [S, A], finite.
        reference: π̄, [S, A].
        tau: τ; 0 leaves the penalty out.
    """
    policy = np.exp(log_policy)
    penalty = tau * (log_policy - np.log(reference))
    reward = np.sum(policy * (mdp.expected_reward() - penalty), axis=-1)
    return q_of_value(mdp, discounted_return(mdp, policy, reward))


def optimal_q(mdp: TabularMDP, reference: Array, tau: float) -> Array:
    """Q* [S, A], that of the policy with the largest return, by policy iteration.

    Each policy is the Boltzmann policy of the Q of the one before, or for τ = 0 the greedy one.
    That is Newton's method: once the change is small, what is left is rounding.

    Args:
        mdp: with a discount below 1.
        reference: π̄, [S, A].
        tau: τ; 0 leaves the penalty out.

    Raises:
        ValueError: τ is below 0.
        RuntimeError: the values are too large, or τ is too small, for float64.
    """
    if not tau >= 0:
        raise ValueError(f"tau must be at least 0; it is {tau}.")
    reward = q = mdp.expected_reward()
    for _ in range(_MAX_POLICIES):
        if tau > 0:
            log_policy = boltzmann_log_policy(q, reference, tau)
            improved = q_of_log_policy(mdp, log_policy, reference, tau)
        else:
            greedy = np.eye(mdp.num_actions)[np.argmax(q, axis=-1)]
            value = discounted_return(mdp, greedy, np.sum(greedy * reward, axis=-1))
            improved = q_of_value(mdp, value)
        rounding = 1e-13 / (1.0 - mdp.discount) * max(1.0, np.max(np.abs(q)))
        if np.max(np.abs(improved - q)) <= rounding:
            return improved
        q = improved
    raise RuntimeError(f"Policy iteration found no fixed point in {_MAX_POLICIES} steps.")
