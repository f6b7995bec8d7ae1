"""IQ as dynamic programming, IQ-DP(α, τ), and the mirror descent value iteration that it equals.

Iterates are a log-policy and a value, because probabilities may be too small for float64. The
entropy's "reference" is all ones (`soft_values`). Equations and theorems are the IQ paper's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from quinoa.theory.complex_step import Array
from quinoa.theory.soft_values import (
    boltzmann_log_policy,
    optimal_q,
    q_of_log_policy,
    q_of_value,
    soft_value,
)
from quinoa.theory.tabular_mdp import TabularMDP


class Iterate(NamedTuple):
    """What one iteration hands to the next: the target networks of IQ.

    Attributes:
        log_policy: ln π_{k+1}, [S, A].
        value: V_k, [S].
    """

    log_policy: Array
    value: Array


def uniform_iterate(mdp: TabularMDP) -> Iterate:
    """The uniform policy and a value of 0, where the bounds below start from."""
    log_policy = np.full((mdp.num_states, mdp.num_actions), -np.log(mdp.num_actions))
    return Iterate(log_policy, np.zeros(mdp.num_states))


def iq_dp_step(
    mdp: TabularMDP, iterate: Iterate, tau: float, alpha: float, error: Array | float = 0.0
) -> Iterate:
    """One step of IQ-DP(α, τ): τ ln π' + V' = r + ατ ln π + γPV + ε (IQ Eq. 3).

    That π' is a policy, with probabilities that sum to 1, makes it well-defined.

    Args:
        mdp: the MDP.
        iterate: (ln π, V).
        tau: τ, above 0.
        alpha: α, in [0, 1].
        error: ε_k of Theorem 2, [S, A] or one number.
    """
    target = q_of_value(mdp, iterate.value) + alpha * tau * iterate.log_policy + error
    ones = np.ones_like(target)
    return Iterate(boltzmann_log_policy(target, ones, tau), soft_value(target, ones, tau))


def mirror_descent_objective(
    log_policy: Array, q: Array, old_log_policy: Array, kl_weight: float, entropy_weight: float
) -> Array:
    """⟨π, q⟩ + w_H H(π) − w_KL KL[π‖π_old] (IQ Theorem 1), [S].

    Args:
        log_policy: ln π, [S, A].
        q: [S, A].
        old_log_policy: ln π_old, [S, A].
        kl_weight: w_KL, ατ in the theorem.
        entropy_weight: w_H, (1 − α)τ in the theorem.
    """
    penalty = kl_weight * (log_policy - old_log_policy) + entropy_weight * log_policy
    return np.sum(np.exp(log_policy) * (q - penalty), axis=-1)


def mirror_descent_step(
    mdp: TabularMDP, iterate: Iterate, kl_weight: float, entropy_weight: float
) -> Iterate:
    """One step of MD-VI: the policy that maximises the objective above, and the maximum, its value.

    By Lagrange, q − w_KL (ln π − ln π_old) − w_H ln π is the same for all actions at the maximum.

    Args:
        mdp: the MDP.
        iterate: (ln π, V), as for IQ-DP.
        kl_weight: w_KL.
        entropy_weight: w_H; the sum of both is above 0.
    """
    q = q_of_value(mdp, iterate.value)
    logits = (q + kl_weight * iterate.log_policy) / (kl_weight + entropy_weight)
    log_policy = boltzmann_log_policy(logits, np.ones_like(logits), 1.0)
    weights = kl_weight, entropy_weight
    value = mirror_descent_objective(log_policy, q, iterate.log_policy, *weights)
    return Iterate(log_policy, value)


class Bound(NamedTuple):
    """Theorem 2 for one k: the distance is at most `errors` + `vanishing`.

    Attributes:
        distance: ‖Q*^{(1−α)τ} − Q_π^{(1−α)τ}‖∞ of the policy π_{k+2} that k steps have made.
        errors: what the errors ε_1, ..., ε_k contribute.
        vanishing: what is left of the start, which goes to 0 as k grows.
    """

    distance: float
    errors: float
    vanishing: float


def error_propagation(
    mdp: TabularMDP, errors: Sequence[Array], tau: float, alpha: float
) -> list[Bound]:
    """Runs IQ-DP(α, τ) with an error in each step, and gives both sides of Theorem 2 after each.

    The theorem has o(1/k) and O(1/k) where `vanishing` has what these are, from a start with the
    uniform policy and a value of 0; `docs/theory/pg_is_soft_q.md` derives it. The theorem says π_k;
    the policy that the errors up to ε_k have gone into is π_{k+2}, as ε_k's definition has it.

    Args:
        mdp: with a discount below 1.
        errors: ε_1, ε_2, ..., each [S, A].
        tau: τ.
        alpha: α, in [0, 1].
    """
    gamma, temperature = mdp.discount, (1.0 - alpha) * tau
    # With a reference of ones, Q_π is IQ's Q_π^τ, the fixed point of r + γP⟨π, Q − τ ln π⟩.
    ones = np.ones((mdp.num_states, mdp.num_actions))
    best = optimal_q(mdp, ones, temperature)
    largest_reward = np.max(np.abs(mdp.expected_reward()))
    # τ ln A: the most that an entropy, or a soft maximum in place of a hard one, can add.
    entropy = tau * np.log(mdp.num_actions)
    iterate, average = uniform_iterate(mdp), np.zeros_like(ones)
    from_errors, from_start = 0.0, float(np.max(np.abs(best)))
    bounds = []
    for k, error in enumerate(errors, start=1):
        iterate = iq_dp_step(mdp, iterate, tau, alpha, error)
        q = q_of_log_policy(mdp, iterate.log_policy, ones, temperature)
        distance = float(np.max(np.abs(best - q)))
        if alpha == 1:
            average = average + (error - average) / k
            from_errors = float(np.max(np.abs(average)))
            from_start = gamma / k * (float(np.max(np.abs(iterate.value))) + entropy)
        else:
            average = alpha * average + (1.0 - alpha) * error
            from_errors = gamma * from_errors + float(np.max(np.abs(average)))
            forgotten = alpha**k * largest_reward
            forgotten += gamma * (1.0 - alpha) * alpha ** (k - 1) * entropy
            from_start = gamma * from_start + forgotten
        scale = 2.0 / (1.0 - gamma)
        bounds.append(Bound(distance, scale * from_errors, scale * from_start))
    return bounds


def implicit_q(logits: Array, value: Array, tau: float) -> Array:
    """τ ln π(a|s) + V(s) of the policy softmax(F/τ) (IQ Eq. 1 and section 3.3): [S, A].

    Args:
        logits: F, [S, A].
        value: V, [S].
        tau: τ.
    """
    return logits - soft_value(logits, np.ones_like(logits), tau)[:, None] + value[:, None]


def dueling_q(logits: Array, value: Array) -> Array:
    """F(s, a) − max F(s, ·) + V(s), the dueling architecture (IQ section 3.3): [S, A].

    `implicit_q` goes to it as τ goes to 0, and is below it by at most τ ln A.
    """
    return logits - np.max(logits, axis=-1, keepdims=True) + value[:, None]
