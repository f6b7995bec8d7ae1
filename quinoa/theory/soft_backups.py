"""Backups of values with a penalty on the divergence from a reference, of one step or more.

`mdp`, `policy` π [S, A], `reference` π̄ [S, A] and `tau` τ mean the same in every function.
"""

from __future__ import annotations

import numpy as np

from quinoa.theory.complex_step import Array
from quinoa.theory.soft_values import boltzmann_policy, penalized_value, q_of_value, soft_value
from quinoa.theory.tabular_mdp import TabularMDP


def backup_v(mdp: TabularMDP, v: Array, policy: Array, reference: Array, tau: float) -> Array:
    """T_π V = E[r − τ KL(s) + γ V(s')] (Eq. 32): [S] of [S]. Its fixed point is V_π."""
    return penalized_value(q_of_value(mdp, v), policy, reference, tau)


def backup_q(mdp: TabularMDP, q: Array, policy: Array, reference: Array, tau: float) -> Array:
    """T_π Q = E[r + γ (E_{a'~π}[Q(s', a')] − τ KL(s'))] (Eq. 33): [S, A] of [S, A].

    Its fixed point is Q_π.
    """
    return q_of_value(mdp, penalized_value(q, policy, reference, tau))


def n_step_backup_v(
    mdp: TabularMDP, v: Array, policy: Array, reference: Array, tau: float, n: int
) -> Array:
    """T_πⁿ V (Eq. 34, 37): `backup_v` n times, [S] of [S]."""
    for _ in range(n):
        v = backup_v(mdp, v, policy, reference, tau)
    return v


def n_step_backup_q(
    mdp: TabularMDP, q: Array, policy: Array, reference: Array, tau: float, n: int
) -> Array:
    """T_πⁿ Q (Eq. 35, 40): `backup_q` n times, [S, A] of [S, A]."""
    for _ in range(n):
        q = backup_q(mdp, q, policy, reference, tau)
    return q


def boltzmann_backup(mdp: TabularMDP, q: Array, reference: Array, tau: float) -> Array:
    """T Q = E[r + γ V_Q(s')] (Eq. 38, 39): [S, A] of [S, A]. Its fixed point is Q*.

    Eq. 38 is printed with Q(s, a) where the expectation is of Q(s', a').
    """
    return q_of_value(mdp, soft_value(q, reference, tau))


def n_step_boltzmann_backup(
    mdp: TabularMDP, q: Array, reference: Array, tau: float, n: int
) -> Array:
    """T_{π,n} Q of the Boltzmann policy π of Q itself (Eq. 40, 41): [S, A] of [S, A].

    For n = 1 it is `boltzmann_backup`. For more it is not n of these, each of which has the policy
    of the Q that it is applied to.
    """
    policy = boltzmann_policy(q, reference, tau)
    return n_step_backup_q(mdp, q, policy, reference, tau, n)


def td_lambda_backup(
    mdp: TabularMDP, q: Array, policy: Array, reference: Array, tau: float, lambda_: float
) -> Array:
    """The mean of the n-step backups, T_πⁿ Q with weight (1 − λ) λⁿ⁻¹ (Eq. 42): [S, A] of [S, A].

    Eq. 43 gives it by Bellman errors, and is printed with Q(s, a) in front of their sum. With the
    errors that it defines, those of V, it is V_Q(s) + τ KL(s) that belongs there, as in Eq. 47.

    Args:
        mdp: with a discount below 1, unless λ is.
        q: Q.
        policy: π.
        reference: π̄.
        tau: τ.
        lambda_: λ, in [0, 1].
    """
    # All terms of the mean but the first are λ T_π of the mean, and T_π is affine.
    pairs = q.size
    step = mdp.discount * np.einsum("sat,tb->satb", mdp.transition, policy).reshape(pairs, pairs)
    constant = backup_q(mdp, np.zeros_like(q), policy, reference, tau)
    first = (1.0 - lambda_) * backup_q(mdp, q, policy, reference, tau)
    right = (first + lambda_ * constant).reshape(pairs)
    return np.linalg.solve(np.eye(pairs) - lambda_ * step, right).reshape(q.shape)
