"""Eq. 1-6 and 10-14 of the bandit, 24-31 of the MDP."""

import numpy as np
import pytest

from quinoa.theory import soft_values, tabular_mdp
from tests.theory import problems
from tests.theory.problems import EXACT, WRONG, difference

CASES = pytest.mark.parametrize("reference", problems.REFERENCES)
SEEDED = pytest.mark.parametrize("seed", problems.SEEDS)


@CASES
@SEEDED
def test_a_bandits_objective_falls_short_of_its_maximum_by_a_divergence(seed, reference):
    """Eq. 6: so the Boltzmann policy, where that is 0, is the best one (Eq. 2)."""
    problem = problems.make(seed, reference)
    reward, base, tau = problem.q[0], problem.reference[0], problem.tau
    best = soft_values.boltzmann_policy(reward, base, tau)
    most = soft_values.soft_value(reward, base, tau)
    assert best.shape == (problems.A,) and most.shape == ()
    assert best.sum() == pytest.approx(1.0, abs=1e-14)
    for policy in (problem.rng.dirichlet(np.ones(problems.A)) for _ in range(20)):
        objective = soft_values.penalized_value(reward, policy, base, tau)
        short = tau * soft_values.kl_divergence(policy, best)
        assert objective == pytest.approx(most - short, abs=EXACT)
        assert objective < most


@CASES
@SEEDED
def test_q_is_its_value_and_the_log_of_its_boltzmann_policy(seed, reference):
    """Eq. 10-14 and 28-31, 57."""
    problem = problems.make(seed, reference)
    q, base, tau = problem.q, problem.reference, problem.tau
    weights = base * np.exp(q / tau)
    assert difference(problem.policy, weights / weights.sum(axis=1, keepdims=True)) < EXACT
    ratio = np.log(problem.policy / base)
    assert difference(problem.value[:, None] + tau * ratio, q) < EXACT
    value = soft_values.penalized_value(q, problem.policy, base, tau)
    assert difference(value, problem.value) < EXACT
    # As Eq. 11 is printed, with the division by τ outside of exp.
    printed = tau * np.log(np.sum(base * np.exp(q) / tau, axis=1))
    assert difference(printed, problem.value) > WRONG


def test_values_far_from_zero_neither_overflow_nor_vanish():
    q = np.array([[1e5, 0.0], [-1e5, -1e5 - 1]])
    base = np.full((2, 2), 0.5)
    value = soft_values.soft_value(q, base, 1e-2)
    np.testing.assert_allclose(value, [1e5 - 1e-2 * np.log(2), -1e5 - 1e-2 * np.log(2)], rtol=1e-15)
    log_policy = soft_values.boltzmann_log_policy(q, base, 1e-2)
    assert log_policy[0, 1] == pytest.approx(-1e7) and np.all(np.isfinite(log_policy))


@CASES
@SEEDED
def test_values_of_a_policy_are_the_sums_of_its_penalized_rewards(seed, reference):
    """Eq. 24-26."""
    problem = problems.make(seed, reference)
    mdp, base, tau = problem.mdp, problem.reference, problem.tau
    policy = tabular_mdp.random_policy(problem.rng, problems.S, problems.A)
    kl = soft_values.kl_divergence(policy, base)
    states, total = np.eye(problems.S), np.zeros(problems.S)
    for t in range(400):
        rewards = np.sum(policy * mdp.expected_reward(), axis=1) - tau * kl
        total += mdp.discount**t * states @ rewards
        states = states @ mdp.state_transition(policy)
    value = soft_values.policy_value(mdp, policy, base, tau)
    assert difference(value, total) < EXACT
    q = soft_values.q_of_value(mdp, value)
    assert difference(np.sum(policy * q, axis=1) - tau * kl, value) < EXACT
    same = soft_values.q_of_log_policy(mdp, np.log(policy), base, tau)
    assert difference(q, same) < EXACT
    assert difference(np.sum(policy * q, axis=1), value) > WRONG


@CASES
@SEEDED
def test_no_policy_has_a_larger_return_than_the_boltzmann_policy_of_optimal_q(seed, reference):
    problem = problems.make(seed, reference)
    mdp, base, tau = problem.mdp, problem.reference, problem.tau
    best = soft_values.optimal_q(mdp, base, tau)
    policy = soft_values.boltzmann_policy(best, base, tau)
    value = soft_values.policy_value(mdp, policy, base, tau)
    assert difference(soft_values.soft_value(best, base, tau), value) < EXACT
    for weight in (1e-3, 0.1, 1.0):
        other = tabular_mdp.random_policy(problem.rng, problems.S, problems.A)
        other = (1 - weight) * policy + weight * other
        assert np.all(soft_values.policy_value(mdp, other, base, tau) < value)


def test_a_reference_of_ones_makes_the_penalty_an_entropy_bonus():
    problem = problems.make(0, "uniform")
    ones = np.ones_like(problem.reference)
    entropy = -np.sum(problem.policy * np.log(problem.policy), axis=1)
    assert difference(soft_values.kl_divergence(problem.policy, ones), -entropy) < EXACT
    policy = soft_values.boltzmann_policy(problem.q, ones, problem.tau)
    # Uniform and ones differ by a constant, which no policy sees (and which Eq. 82 and 83 have).
    assert difference(policy, problem.policy) < EXACT
    more = soft_values.soft_value(problem.q, ones, problem.tau) - problem.value
    np.testing.assert_allclose(more, problem.tau * np.log(problems.A), atol=EXACT)


@pytest.mark.parametrize("discount", [0.0, 0.99, 0.9999])
@pytest.mark.parametrize("tau", [1e-3, 10.0])
def test_optimal_q_is_found_at_the_ends_of_discount_and_temperature(discount, tau):
    problem = problems.make(1, discount=discount, sizes=(6, 4))
    q = soft_values.optimal_q(problem.mdp, problem.reference, tau)
    backed_up = soft_values.q_of_value(
        problem.mdp, soft_values.soft_value(q, problem.reference, tau)
    )
    assert difference(q, backed_up) < 1e-11 * max(1.0, np.max(np.abs(q)))


def test_without_a_temperature_optimal_q_is_that_of_the_best_deterministic_policy():
    problem = problems.make(2)
    mdp, base = problem.mdp, problem.reference
    best = soft_values.optimal_q(mdp, base, 0.0)
    backed_up = soft_values.q_of_value(mdp, best.max(axis=1))
    assert difference(best, backed_up) < EXACT
    # Which is the limit of small temperatures.
    assert difference(soft_values.optimal_q(mdp, base, 1e-4), best) < 0.01
    values = []
    for actions in np.ndindex(*[problems.A] * problems.S):
        policy = np.eye(problems.A)[list(actions)]
        reward = np.sum(policy * mdp.expected_reward(), axis=1)
        values.append(tabular_mdp.discounted_return(mdp, policy, reward))
    assert difference(np.max(values, axis=0), best.max(axis=1)) < EXACT


def test_temperatures_that_mean_nothing_are_refused():
    problem = problems.make(0)
    for tau in (-1.0, np.nan):
        with pytest.raises(ValueError, match="tau must be at least 0"):
            soft_values.optimal_q(problem.mdp, problem.reference, tau)
