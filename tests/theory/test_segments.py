"""Eq. 34-37, 46, 47 and 54: what is said of single steps, and its expectation."""

import numpy as np
import pytest

from quinoa.theory import segments as segments_module
from quinoa.theory import soft_backups
from tests.theory import problems
from tests.theory.problems import EXACT, WRONG, A, S, difference

EACH = pytest.mark.parametrize("n", [1, 2, 5])
SEEDED = pytest.mark.parametrize("seed", problems.SEEDS)


@EACH
def test_all_segments_are_there_once_and_their_probabilities_are_whole(n):
    problem = problems.make(0)
    segments = segments_module.enumerate_segments(problem.mdp, problem.policy, n)
    assert segments.length == n
    assert len(segments.probabilities) == S * A * S * (A * S) ** (n - 1)
    steps = np.hstack([segments.states, segments.actions])
    assert len(np.unique(steps, axis=0)) == len(steps)
    np.testing.assert_allclose(segments.mean(np.ones(len(steps))), np.ones((S, A)), atol=1e-13)


@SEEDED
def test_a_segments_probability_and_rewards_are_those_of_its_steps(seed):
    problem = problems.make(seed)
    mdp, policy = problem.mdp, problem.policy
    segments = segments_module.enumerate_segments(mdp, policy, 3)
    for index in problem.rng.integers(len(segments.probabilities), size=20):
        s, a = segments.states[index], segments.actions[index]
        probability = mdp.transition[s[0], a[0], s[1]]
        for t in (1, 2):
            probability *= policy[s[t], a[t]] * mdp.transition[s[t], a[t], s[t + 1]]
        assert segments.probabilities[index] == pytest.approx(probability, rel=1e-12)
        rewards = [mdp.reward[s[t], a[t], s[t + 1]] for t in range(3)]
        np.testing.assert_array_equal(segments.rewards[index], rewards)


@EACH
@SEEDED
def test_targets_by_returns_and_by_bellman_errors_are_the_same_in_every_segment(n, seed):
    """Eq. 46 and 47; Eq. 54."""
    problem = problems.make(seed)
    segments = segments_module.enumerate_segments(problem.mdp, problem.policy, n)
    arguments = segments, problem.value, problem.kl, problem.tau
    first = segments.states[:, 0]
    delta = segments_module.advantages(*arguments)
    by_errors = problem.tau * problem.kl[first] + problem.value[first] + delta
    assert difference(segments_module.q_targets(*arguments), by_errors) < EXACT
    by_errors = problem.value[first] + delta
    assert difference(segments_module.value_targets(*arguments), by_errors) < EXACT


@EACH
@SEEDED
def test_their_expectations_are_the_backups(n, seed):
    """Eq. 34, 35 and 37, of any V and Q: here those of a policy that is not Q's own."""
    problem = problems.make(seed)
    mdp, base, tau = problem.mdp, problem.reference, problem.tau
    policy = problem.rng.dirichlet(np.ones(A), S)
    kl = np.sum(policy * np.log(policy / base), axis=1)
    segments = segments_module.enumerate_segments(mdp, policy, n)
    value = problem.rng.normal(size=S)
    by_pair = segments.mean(segments_module.value_targets(segments, value, kl, tau))
    backed_up = soft_backups.n_step_backup_v(mdp, value, policy, base, tau, n)
    assert difference(np.sum(policy * by_pair, axis=1), backed_up) < EXACT
    # Eq. 35 has the action at the end too, of which E[Q(s_n, a_n)] is the mean.
    q = problem.q
    at_the_end = np.sum(policy * q, axis=1) - tau * kl
    by_pair = segments.mean(segments_module.value_targets(segments, at_the_end, kl, tau))
    backed_up = soft_backups.n_step_backup_q(mdp, q, policy, base, tau, n)
    assert difference(backed_up - tau * kl[:, None], by_pair) < EXACT


@pytest.mark.parametrize("n", [2, 5])
def test_the_value_target_as_it_is_printed_is_not_the_backup(n):
    """Eq. 54 without the penalty; its γᵈ V(s_{t+d}) has a d that is bound by the sum only."""
    problem = problems.make(0)
    segments = segments_module.enumerate_segments(problem.mdp, problem.policy, n)
    no_penalty = np.zeros(S)
    printed = segments_module.value_targets(segments, problem.value, no_penalty, problem.tau)
    backed_up = soft_backups.n_step_backup_v(
        problem.mdp, problem.value, problem.policy, problem.reference, problem.tau, n
    )
    mean = np.sum(problem.policy * segments.mean(printed), axis=1)
    assert difference(mean, backed_up) > WRONG


def test_vectors_of_each_segment_have_expectations_too():
    problem = problems.make(0)
    segments = segments_module.enumerate_segments(problem.mdp, problem.policy, 2)
    end = np.eye(S)[segments.states[:, 1]]
    assert difference(segments.mean(end), problem.mdp.transition) < EXACT
