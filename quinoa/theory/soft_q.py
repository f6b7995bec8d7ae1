"""The loss of soft Q-learning, and the policy gradient and value gradient that its gradient is.

Its gradient at the Boltzmann policy π of Q_θ, on data of that policy, is

    τ · (minus the policy gradient) + 1 · (gradient of ½ (V_θ − V̂)²)

so beside the policy gradient the value's error has the coefficient 1/τ (Eq. 58-65; for a bandit,
which is one state with γ = 0, Eq. 22 and 23).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from quinoa.theory.complex_step import Array
from quinoa.theory.policy_gradients import policy_gradient, score_of_log_policy
from quinoa.theory.segments import Segments, advantages, enumerate_segments, q_targets
from quinoa.theory.soft_values import boltzmann_policy, kl_divergence, soft_value
from quinoa.theory.tabular_mdp import TabularMDP


@dataclasses.dataclass(frozen=True)
class OnPolicyData:
    """What the Boltzmann policy of a Q meets in n steps, and what is learned from it.

    Attributes:
        policy: π = π_θ, [S, A] (Eq. 56).
        value: V_θ, [S] (Eq. 55).
        segments: N of n steps, whose actions are π's.
        weights: [N], how often each segment is met: how often its first state is, times π(a_0|s_0)
            and the segment's probability.
        targets: y_t of each segment, [N] (Eq. 46), computed of V_θ and KL[π‖π̄].
        advantage: E[Δ_t | s, a], [S, A].
        states: how often each state is the first, [S].
    """

    policy: Array
    value: Array
    segments: Segments
    weights: Array
    targets: Array
    advantage: Array
    states: Array


def on_policy_data(
    mdp: TabularMDP, q: Array, reference: Array, tau: float, n: int, states: Array
) -> OnPolicyData:
    """All segments of n steps that the Boltzmann policy of Q may meet.

    Args:
        mdp: the MDP.
        q: Q_θ, [S, A].
        reference: π̄, [S, A].
        tau: τ.
        n: the number of steps, at least 1.
        states: how often each state is the first of a segment, [S]; any will do.
    """
    policy, value = boltzmann_policy(q, reference, tau), soft_value(q, reference, tau)
    kl = kl_divergence(policy, reference)
    segments = enumerate_segments(mdp, policy, n)
    first = segments.states[:, 0], segments.actions[:, 0]
    weights = states[first[0]] * policy[first] * segments.probabilities
    targets = q_targets(segments, value, kl, tau)
    advantage = segments.mean(advantages(segments, value, kl, tau))
    return OnPolicyData(policy, value, segments, weights, targets, advantage, states)


def soft_q_loss(q: Array, data: OnPolicyData) -> Array:
    """E[½ (Q_θ(s_t, a_t) − y_t)²] (Eq. 8, 44): [] of Q_θ [S, A].

    Data and targets stay fixed while Q_θ varies, as in Eq. 58.
    """
    error = q[data.segments.states[:, 0], data.segments.actions[:, 0]] - data.targets
    return 0.5 * np.sum(data.weights * error**2)


def soft_q_gradient(q: Array, dq: Array, data: OnPolicyData) -> Array:
    """E[∇Q_θ (Q_θ − y_t)] (Eq. 9, 15, 59): the gradient of `soft_q_loss`, [P].

    Args:
        q: Q_θ, [S, A].
        dq: ∇Q_θ, [S, A, P].
        data: the data.
    """
    error = q - data.segments.mean(data.targets)
    return np.einsum("sa,sap->p", data.states[:, None] * data.policy * error, dq)


def policy_part(dq: Array, reference: Array, tau: float, data: OnPolicyData) -> Array:
    """E[∇ log π Δ_t − τ ∇KL[π‖π̄]], the n-step policy gradient (Eq. 23, 65, 69): [P].

    Eq. 65 has it times −τ.

    Args:
        dq: ∇Q_θ, [S, A, P].
        reference: π̄, [S, A].
        tau: τ.
        data: the data.
    """
    score = score_of_log_policy(data.policy, dq / tau)
    return policy_gradient(data.states, data.policy, reference, score, data.advantage, tau)


def value_part(dq: Array, data: OnPolicyData) -> Array:
    """The gradient of E[½ (V_θ(s_t) − V̂_t)²] for a fixed V̂_t, V_θ(s_t) + Δ_t (Eq. 53, 65): [P].

    Args:
        dq: ∇Q_θ, [S, A, P].
        data: the data.
    """
    # ∇V_θ is the mean of ∇Q_θ under π.
    dv = np.einsum("sa,sap->sp", data.policy, dq)
    errors = -np.sum(data.policy * data.advantage, axis=-1)
    return (data.states * errors) @ dv
