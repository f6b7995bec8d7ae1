"""Eq. 32, 33 and 38-43, fixed points and contraction."""

import numpy as np
import pytest

from quinoa.theory import segments as segments_module
from quinoa.theory import soft_backups, soft_values
from tests.theory import problems
from tests.theory.problems import EXACT, WRONG, A, S, difference

EVERY = pytest.mark.parametrize(
    ("seed", "reference"),
    [(seed, reference) for seed in problems.SEEDS for reference in problems.REFERENCES],
)


@EVERY
def test_values_of_a_policy_are_fixed_points_of_its_backups(seed, reference):
    problem = problems.make(seed, reference)
    arguments = problem.policy, problem.reference, problem.tau
    value = soft_values.policy_value(problem.mdp, *arguments)
    q = soft_values.q_of_value(problem.mdp, value)
    for n in (1, 5):
        backed_up = soft_backups.n_step_backup_v(problem.mdp, value, *arguments, n)
        assert difference(backed_up, value) < EXACT
        backed_up = soft_backups.n_step_backup_q(problem.mdp, q, *arguments, n)
        assert difference(backed_up, q) < EXACT
    for lambda_ in (0.0, 0.7, 1.0):
        backed_up = soft_backups.td_lambda_backup(problem.mdp, q, *arguments, lambda_)
        assert difference(backed_up, q) < EXACT
    assert difference(soft_backups.backup_v(problem.mdp, value + 1, *arguments), value) > WRONG


@EVERY
def test_optimal_q_is_the_fixed_point_of_the_boltzmann_backups(seed, reference):
    problem = problems.make(seed, reference)
    base, tau = problem.reference, problem.tau
    best = soft_values.optimal_q(problem.mdp, base, tau)
    assert difference(soft_backups.boltzmann_backup(problem.mdp, best, base, tau), best) < EXACT
    for n in (1, 5):
        backed_up = soft_backups.n_step_boltzmann_backup(problem.mdp, best, base, tau, n)
        assert difference(backed_up, best) < EXACT
    # And no other Q: from anywhere, the backups lead there.
    q = problem.q
    for _ in range(400):
        q = soft_backups.boltzmann_backup(problem.mdp, q, base, tau)
    assert difference(q, best) < EXACT


@EVERY
def test_backups_contract(seed, reference):
    """By γ, n-step ones of one policy by γⁿ, in the largest difference."""
    problem = problems.make(seed, reference)
    mdp, base, tau, gamma = problem.mdp, problem.reference, problem.tau, problem.mdp.discount
    for _ in range(10):
        one, other = problem.rng.normal(scale=3.0, size=(2, S, A))
        apart = difference(one, other)
        pair = [soft_backups.boltzmann_backup(mdp, q, base, tau) for q in (one, other)]
        assert difference(*pair) <= gamma * apart
        for n in (1, 5):
            pair = [
                soft_backups.n_step_backup_q(mdp, q, problem.policy, base, tau, n)
                for q in (one, other)
            ]
            assert difference(*pair) <= gamma**n * apart
    # And by no less than γ where all values are shifted.
    shifted = soft_backups.boltzmann_backup(mdp, one + 1, base, tau)
    unshifted = soft_backups.boltzmann_backup(mdp, one, base, tau)
    np.testing.assert_allclose(shifted - unshifted, gamma, atol=EXACT)


@EVERY
def test_both_forms_of_the_boltzmann_backup_are_the_same(seed, reference):
    """Eq. 38, with Q(s', a') where it is printed with Q(s, a), and Eq. 39."""
    problem = problems.make(seed, reference)
    mdp, policy = problem.mdp, problem.policy
    next_value = np.sum(policy * problem.q, axis=1) - problem.tau * problem.kl
    by_policy = mdp.expected_reward() + mdp.discount * mdp.transition @ next_value
    found = soft_backups.boltzmann_backup(mdp, problem.q, problem.reference, problem.tau)
    assert difference(by_policy, found) < EXACT
    here = np.sum(policy * problem.q, axis=1)[:, None]
    printed = here - mdp.transition @ (problem.tau * problem.kl)
    printed = mdp.expected_reward() + mdp.discount * printed
    assert difference(printed, found) > WRONG


@EVERY
@pytest.mark.parametrize("n", [1, 5])
def test_n_step_boltzmann_backups_are_the_expected_targets(seed, reference, n):
    """Eq. 40, 41 and 46: y_t is unbiased where the policy is Q's own."""
    problem = problems.make(seed, reference)
    arguments = problem.reference, problem.tau, n
    backed_up = soft_backups.n_step_boltzmann_backup(problem.mdp, problem.q, *arguments)
    segments = segments_module.enumerate_segments(problem.mdp, problem.policy, n)
    targets = segments_module.q_targets(segments, problem.value, problem.kl, problem.tau)
    assert difference(segments.mean(targets), backed_up) < EXACT
    # Not where another policy acted, unless n is 1 (section 3.5).
    other = problem.rng.dirichlet(np.ones(A), S)
    segments = segments_module.enumerate_segments(problem.mdp, other, n)
    targets = segments_module.q_targets(segments, problem.value, problem.kl, problem.tau)
    off = difference(segments.mean(targets), backed_up)
    assert off < EXACT if n == 1 else off > WRONG
    # And it is not n Boltzmann backups in turn.
    q = problem.q
    for _ in range(n):
        q = soft_backups.boltzmann_backup(problem.mdp, q, problem.reference, problem.tau)
    off = difference(q, backed_up)
    assert off < EXACT if n == 1 else off > WRONG


@EVERY
@pytest.mark.parametrize("lambda_", [0.0, 0.7, 0.95])
def test_td_lambda_is_the_series_of_backups_and_the_sum_of_bellman_errors(seed, reference, lambda_):
    """Eq. 42 and 43, with V_Q(s) + τ KL(s) where Eq. 43 is printed with Q(s, a)."""
    problem = problems.make(seed, reference)
    mdp, tau = problem.mdp, problem.tau
    arguments = problem.policy, problem.reference, tau
    found = soft_backups.td_lambda_backup(mdp, problem.q, *arguments, lambda_)
    series, q = np.zeros((S, A)), problem.q
    for power in range(600):
        q = soft_backups.backup_q(mdp, q, *arguments)
        series += (1 - lambda_) * lambda_**power * q
    assert difference(found, series) < EXACT

    # The errors' expectations, step by step: of the first given s and a, of later ones by s'.
    value, kl = problem.value, problem.kl
    error = soft_backups.backup_v(mdp, value, *arguments) - value
    total = soft_values.q_of_value(mdp, value) - (tau * kl + value)[:, None]
    states = mdp.transition
    for t in range(1, 400):
        total = total + (mdp.discount * lambda_) ** t * states @ error
        states = states @ mdp.state_transition(problem.policy)
    assert difference((value + tau * kl)[:, None] + total, found) < EXACT
    assert difference(problem.q + total, found) > WRONG


def test_td_1_is_the_return_of_the_policy():
    problem = problems.make(0)
    arguments = problem.policy, problem.reference, problem.tau
    value = soft_values.policy_value(problem.mdp, *arguments)
    found = soft_backups.td_lambda_backup(problem.mdp, problem.q, *arguments, 1.0)
    assert difference(found, soft_values.q_of_value(problem.mdp, value)) < EXACT
