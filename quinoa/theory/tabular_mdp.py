"""Markov decision processes with few states and actions, given by their tables."""

from __future__ import annotations

import dataclasses

import numpy as np

from quinoa.theory.complex_step import Array


@dataclasses.dataclass(frozen=True)
class TabularMDP:
    """A finite MDP.

    Attributes:
        transition: float64 [S, A, S], the probability of s' after action a in state s.
        reward: float64 [S, A, S], the reward of the step from s by a to s'. It depends on s', so
            given s and a it is random.
        discount: γ, in [0, 1].

    Raises:
        ValueError: shapes that do not fit, rows of `transition` that are no distributions, rewards
            that are not finite, or a discount out of its bounds.
    """

    transition: Array
    reward: Array
    discount: float

    def __post_init__(self) -> None:
        shape = self.transition.shape
        if len(shape) != 3 or shape[0] != shape[2] or self.reward.shape != shape:
            raise ValueError(
                "transition and reward must both be [S, A, S]; they are "
                f"{list(shape)} and {list(self.reward.shape)}."
            )
        sums = self.transition.sum(axis=-1)
        if np.any(self.transition < 0) or not np.allclose(sums, 1.0, rtol=0, atol=1e-12):
            raise ValueError("transition[s, a] must be a distribution for every s and a.")
        if not np.all(np.isfinite(self.reward)):
            raise ValueError("reward must be finite.")
        if not 0 <= self.discount <= 1:
            raise ValueError(f"discount must be in [0, 1]; it is {self.discount}.")

    @property
    def num_states(self) -> int:
        """S."""
        return self.transition.shape[0]

    @property
    def num_actions(self) -> int:
        """A."""
        return self.transition.shape[1]

    def expected_reward(self) -> Array:
        """E[r | s, a], float64 [S, A]."""
        return np.sum(self.transition * self.reward, axis=-1)

    def state_transition(self, policy: Array) -> Array:
        """P(s' | s) under a policy [S, A]: [S, S]."""
        return np.einsum("sa,sat->st", policy, self.transition)


def random_mdp(
    rng: np.random.Generator, num_states: int, num_actions: int, discount: float
) -> TabularMDP:
    """An MDP with transitions from a flat Dirichlet distribution and standard normal rewards."""
    shape = (num_states, num_actions)
    transition = rng.dirichlet(np.ones(num_states), shape)
    return TabularMDP(transition, rng.normal(size=(*shape, num_states)), discount)


def random_policy(rng: np.random.Generator, num_states: int, num_actions: int) -> Array:
    """A policy, float64 [S, A], from a flat Dirichlet distribution for each state."""
    return rng.dirichlet(np.ones(num_actions), num_states)


def uniform_policy(num_states: int, num_actions: int) -> Array:
    """The policy that takes every action equally often, float64 [S, A]."""
    return np.full((num_states, num_actions), 1.0 / num_actions)


def stationary_distribution(mdp: TabularMDP, policy: Array) -> Array:
    """The distribution of states, float64 [S], that a policy [S, A] leaves as it is.

    It is unique where the policy can get from every state to every other.
    """
    identity = np.eye(mdp.num_states)
    # Its flow is balanced, and it sums to one.
    equations = np.vstack([mdp.state_transition(policy).T - identity, np.ones(mdp.num_states)])
    found, *_ = np.linalg.lstsq(equations, np.append(np.zeros(mdp.num_states), 1.0), rcond=None)
    return found


def discounted_return(mdp: TabularMDP, policy: Array, reward: Array) -> Array:
    """The sum over t of γᵗ times the reward in s_t, from each state: [S].

    Args:
        mdp: with a discount below 1; its own rewards are not used.
        policy: [S, A].
        reward: of each state, [S].

    Raises:
        ValueError: the discount is 1.
    """
    return np.linalg.solve(np.eye(mdp.num_states) - _discounted_transition(mdp, policy), reward)


def discounted_visits(mdp: TabularMDP, policy: Array, start: Array) -> Array:
    """How often each state is visited, discounted: the sum over t of γᵗ P(s_t = s).

    Args:
        mdp: with a discount below 1.
        policy: [S, A].
        start: [S], the distribution of s_0.

    Returns:
        [S]; its sum is 1 / (1 − γ).

    Raises:
        ValueError: the discount is 1.
    """
    return np.linalg.solve(np.eye(mdp.num_states) - _discounted_transition(mdp, policy).T, start)


def _discounted_transition(mdp: TabularMDP, policy: Array) -> Array:
    """γ P(s' | s) under a policy, [S, S]."""
    if mdp.discount == 1:
        raise ValueError("Without an end, a return is finite for a discount below 1 only.")
    return mdp.discount * mdp.state_transition(policy)
