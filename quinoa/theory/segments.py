"""Segments of n steps, all that there are: expectations over them are sums, without any sampling.

An agent learns from segments that it has sampled. Here each possible one is listed with its
probability. So what the paper says of a single step t (a Bellman error, a target) can be computed
as it is written, and its expectation is exact. There are (S·A)ⁿ S of them, which limits S, A and n.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from quinoa.theory.complex_step import Array
from quinoa.theory.tabular_mdp import TabularMDP


@dataclasses.dataclass(frozen=True)
class Segments:
    """Every segment s_0, a_0, r_0, ..., s_n from every pair (s_0, a_0).

    Attributes:
        states: integer [N, n + 1].
        actions: integer [N, n].
        rewards: float64 [N, n].
        probabilities: float64 [N], of the segment given its s_0 and a_0.
        discount: γ.
        pairs: (S, A).
    """

    states: Array
    actions: Array
    rewards: Array
    probabilities: Array
    discount: float
    pairs: tuple[int, int]

    @property
    def length(self) -> int:
        """n, the number of steps."""
        return self.actions.shape[1]

    def mean(self, values: Array) -> Array:
        """The expectations, given the first pair, of a value for each segment.

        Args:
            values: [N, ...].

        Returns:
            [S, A, ...].
        """
        total = np.zeros((*self.pairs, *values.shape[1:]), values.dtype)
        weights = self.probabilities.reshape(-1, *[1] * (values.ndim - 1))
        np.add.at(total, (self.states[:, 0], self.actions[:, 0]), weights * values)
        return total


def enumerate_segments(mdp: TabularMDP, policy: Array, n: int) -> Segments:
    """All segments of n steps, whose actions after the first are a policy's.

    Args:
        mdp: the MDP.
        policy: [S, A].
        n: at least 1.
    """
    num_states, num_actions = mdp.num_states, mdp.num_actions
    first, action, then = (
        part.reshape(-1) for part in np.indices((num_states, num_actions, num_states))
    )
    states, actions = np.stack([first, then], axis=1), action[:, None]
    probabilities = mdp.transition.reshape(-1)
    for _ in range(n - 1):
        # Each segment becomes A·S longer ones.
        action, then = (part.reshape(-1) for part in np.indices((num_actions, num_states)))
        last = states[:, -1]
        more = (policy[last][:, :, None] * mdp.transition[last]).reshape(-1)
        repeated, times = action.size, last.size
        probabilities = np.repeat(probabilities, repeated) * more
        states = np.hstack([np.repeat(states, repeated, axis=0), np.tile(then, times)[:, None]])
        actions = np.hstack([np.repeat(actions, repeated, axis=0), np.tile(action, times)[:, None]])
    rewards = mdp.reward[states[:, :-1], actions, states[:, 1:]]
    pairs = (num_states, num_actions)
    return Segments(states, actions, rewards, probabilities, mdp.discount, pairs)


def bellman_errors(segments: Segments, value: Array, kl: Array, tau: float) -> Array:
    """δ_t = (r_t − τ KL_t) + γ V(s_{t+1}) − V(s_t) (Eq. 36, 43, 47).

    Args:
        segments: N of n steps.
        value: V [S], such as V_Q.
        kl: KL[π‖π̄] in each state, [S].
        tau: τ.

    Returns:
        [N, n].
    """
    now, then = segments.states[:, :-1], segments.states[:, 1:]
    penalized = segments.rewards - tau * kl[now]
    return penalized + segments.discount * value[then] - value[now]


def advantages(segments: Segments, value: Array, kl: Array, tau: float) -> Array:
    """Δ_t, the sum over d < n of γᵈ δ_{t+d} (between Eq. 57 and 58): [N]; arguments as above."""
    return bellman_errors(segments, value, kl, tau) @ _discounts(segments)


def value_targets(segments: Segments, value: Array, kl: Array, tau: float) -> Array:
    """The sum over d < n of γᵈ (r − τ KL) at t + d, and γⁿ V(s_{t+n}) (Eq. 34, 54): [N].

    Eq. 54 is printed without the penalty, and with γᵈ V(s_{t+d}) for γⁿ V(s_{t+n}).
    """
    penalized = segments.rewards - tau * kl[segments.states[:, :-1]]
    last = value[segments.states[:, -1]]
    return penalized @ _discounts(segments) + segments.discount**segments.length * last


def q_targets(segments: Segments, value: Array, kl: Array, tau: float) -> Array:
    """y_t of n-step soft Q-learning (Eq. 45, 46): [N]; for n = 1 it is r_t + γ V(s_{t+1}).

    Q has no penalty for its first step, which is why τ KL_t is added to the target of V.
    """
    return tau * kl[segments.states[:, 0]] + value_targets(segments, value, kl, tau)


def _discounts(segments: Segments) -> Array:
    """1, γ, ..., γⁿ⁻¹: [n]."""
    return segments.discount ** np.arange(segments.length)
