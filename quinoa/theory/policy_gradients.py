"""Policy gradients with a penalty on the divergence from a reference: proper and naive ones.

A policy's parameters enter by its score ∇_θ log π_θ(a|s), [S, A, P], alone.
"""

from __future__ import annotations

import numpy as np

from quinoa.theory.complex_step import Array
from quinoa.theory.segments import Segments
from quinoa.theory.soft_values import kl_divergence, penalized_value
from quinoa.theory.tabular_mdp import TabularMDP


def score_of_log_policy(policy: Array, gradient: Array) -> Array:
    """∇ log π of a policy ∝ exp(f): ∇f − E_π[∇f], [S, A, P].

    Args:
        policy: π, [S, A].
        gradient: ∇f, [S, A, P]. For a Boltzmann policy f is Q/τ.
    """
    return gradient - np.einsum("sa,sap->sp", policy, gradient)[:, None]


def kl_gradient(policy: Array, reference: Array, score: Array) -> Array:
    """∇ KL[π‖π̄] = E_π[∇ log π · log(π/π̄)] (Eq. 18-21).

    Args:
        policy: π, [S, A].
        reference: π̄, [S, A].
        score: ∇ log π, [S, A, P].

    Returns:
        [S, P].
    """
    ratio = np.log(policy) - np.log(reference)
    return np.einsum("sa,sap->sp", policy * ratio, score)


def policy_gradient(
    states: Array, policy: Array, reference: Array, score: Array, advantage: Array, tau: float
) -> Array:
    """E[∇ log π(a|s) A(s, a) − τ ∇KL(s)], with s as often as `states` says and a from π.

    With A = Q_π − V_π this is Eq. 50 (and Eq. 7, of a bandit, with its mean rewards for A); with
    the advantage of n steps, `segments.advantages`, it is Eq. 52 and 69. Eq. 52 is printed without
    the second term, which the n-step gradient needs as Eq. 50 does: Δ_t contains the penalty's
    value, not its gradient.

    Args:
        states: how often each state counts, [S]: a distribution, or numbers of visits.
        policy: π, [S, A].
        reference: π̄, [S, A].
        score: ∇ log π, [S, A, P].
        advantage: A, [S, A].
        tau: τ.

    Returns:
        [P].
    """
    weights = states[:, None] * policy * advantage
    penalty = states @ kl_gradient(policy, reference, score)
    return np.einsum("sa,sap->p", weights, score) - tau * penalty


def finite_horizon_return(
    mdp: TabularMDP, policy: Array, reference: Array, tau: float, start: Array, num_steps: int
) -> Array:
    """E of the sum over t < T of γᵗ (r_t − τ KL_t) (Eq. 51, where γ = 1).

    Args:
        mdp: its discount may be 1.
        policy: π, [S, A].
        reference: π̄, [S, A].
        tau: τ.
        start: the distribution of s_0, [S].
        num_steps: T.

    Returns:
        []; it accepts a complex policy, so its true gradient can be had from `complex_step`.
    """
    reward = penalized_value(mdp.expected_reward(), policy, reference, tau)
    step = mdp.state_transition(policy)
    value = np.zeros(mdp.num_states)
    for _ in range(num_steps):
        value = reward + mdp.discount * step @ value
    return start @ value


def naive_gradient(
    segments: Segments, start: Array, policy: Array, reference: Array, score: Array, tau: float
) -> Array:
    """E of the sum over t of ∇ log π(a_t|s_t) (r_t + γ r_{t+1} + ...) − τ ∇KL(s_t) (Eq. 48).

    An entropy bonus as it is often used: each step's penalty is differentiated, but the returns of
    actions leave the later steps' penalties out. The paper has it for γ = 1. Arguments and result
    are those of `proper_gradient`.
    """
    return _gradient_of_returns(segments, start, policy, reference, score, tau, naive=True)


def proper_gradient(
    segments: Segments, start: Array, policy: Array, reference: Array, score: Array, tau: float
) -> Array:
    """E of the sum over t of ∇ log π(a_t|s_t) (r_t + R_{t+1}) − τ ∇KL(s_t) (Eq. 49).

    R_{t+1} is the sum of the penalised rewards to come, γᵈ (r − τ KL) at t + d for d from 1 on.
    Eq. 49 is printed with r_0 for r_t, and with the KL's gradient inside of the bracket that
    ∇ log π multiplies.

    Args:
        segments: whole episodes of T steps.
        start: the distribution of s_0, [S].
        policy: π, [S, A].
        reference: π̄, [S, A].
        score: ∇ log π, [S, A, P].
        tau: τ.

    Returns:
        [P].
    """
    return _gradient_of_returns(segments, start, policy, reference, score, tau, naive=False)


def _gradient_of_returns(
    segments: Segments,
    start: Array,
    policy: Array,
    reference: Array,
    score: Array,
    tau: float,
    naive: bool,
) -> Array:
    states, actions = segments.states[:, :-1], segments.actions
    first = states[:, 0], actions[:, 0]
    weights = start[first[0]] * policy[first] * segments.probabilities
    kl = kl_divergence(policy, reference)
    later = segments.rewards - (0.0 if naive else tau) * kl[states]
    gradient = np.zeros(score.shape[-1])
    to_come = np.zeros(len(weights))
    for t in reversed(range(segments.length)):
        result = segments.rewards[:, t] + segments.discount * to_come
        to_come = later[:, t] + segments.discount * to_come
        gradient += (weights * result) @ score[states[:, t], actions[:, t]]
        gradient -= tau * weights @ kl_gradient(policy, reference, score)[states[:, t]]
    return gradient
