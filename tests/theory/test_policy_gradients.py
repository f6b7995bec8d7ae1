"""Eq. 7 and 18-21 of the bandit, 48-52 of the MDP, against true derivatives of the objectives."""

import dataclasses

import numpy as np
import pytest

from quinoa.theory import policy_gradients, soft_backups, soft_values, tabular_mdp
from quinoa.theory import segments as segments_module
from tests.theory import problems
from tests.theory.problems import EXACT, WRONG, S, difference

EVERY = pytest.mark.parametrize(("seed", "reference", "q_function"), problems.EVERY)
# Steps of an episode.
T = 4


@EVERY
def test_scores_and_gradients_of_the_divergence_are_true_derivatives(seed, reference, q_function):
    """Eq. 18-21."""
    problem = problems.make(seed, reference, q_function)
    true = problem.gradient(lambda theta: np.log(problem.policy_of(theta)))
    assert difference(problem.score, true) < EXACT
    true = problem.gradient(
        lambda theta: soft_values.kl_divergence(problem.policy_of(theta), problem.reference)
    )
    found = policy_gradients.kl_gradient(problem.policy, problem.reference, problem.score)
    assert difference(found, true) < EXACT
    assert np.max(np.abs(true)) > WRONG


@EVERY
def test_a_bandits_policy_gradient_is_that_of_its_objective(seed, reference, q_function):
    """Eq. 7 of Eq. 1, for the state 0 as a bandit, whose rewards have noise of mean zero."""
    problem = problems.make(seed, reference, q_function)
    reward, base, tau = problem.rng.normal(size=(S, problems.A)), problem.reference, problem.tau
    true = problem.gradient(
        lambda theta: soft_values.penalized_value(
            reward[0], problem.policy_of(theta)[0], base[0], tau
        )
    )
    states = np.eye(S)[0]
    found = policy_gradients.policy_gradient(
        states, problem.policy, base, problem.score, reward, tau
    )
    assert difference(found, true) < EXACT
    without = policy_gradients.policy_gradient(
        states, problem.policy, base, problem.score, reward, 0.0
    )
    assert difference(without, true) > WRONG


def episodes(problem, discount):
    """The MDP with a discount, all its episodes, where they start, and their true gradient."""
    mdp = dataclasses.replace(problem.mdp, discount=discount)
    start = problem.random_distribution()
    segments = segments_module.enumerate_segments(mdp, problem.policy, T)
    true = problem.gradient(
        lambda theta: policy_gradients.finite_horizon_return(
            mdp, problem.policy_of(theta), problem.reference, problem.tau, start, T
        )
    )
    return mdp, segments, start, true


@EVERY
def test_the_proper_gradient_is_that_of_the_return_and_the_naive_one_is_not(
    seed, reference, q_function
):
    """Eq. 48, 49 and 51: without a discount, in episodes of T steps."""
    problem = problems.make(seed, reference, q_function)
    _, segments, start, true = episodes(problem, 1.0)
    arguments = segments, start, problem.policy, problem.reference, problem.score, problem.tau
    assert difference(policy_gradients.proper_gradient(*arguments), true) < EXACT
    assert difference(policy_gradients.naive_gradient(*arguments), true) > WRONG
    # They differ by nothing but the penalties that follow an action: without a temperature, not at
    # all, nor in episodes of one step.
    free = (*arguments[:-1], 0.0)
    apart = [policy_gradients.proper_gradient(*free), policy_gradients.naive_gradient(*free)]
    assert difference(*apart) == 0.0
    short = segments_module.enumerate_segments(problem.mdp, problem.policy, 1)
    brief = (short, *arguments[1:])
    apart = [policy_gradients.proper_gradient(*brief), policy_gradients.naive_gradient(*brief)]
    assert difference(*apart) == 0.0


@EVERY
def test_the_proper_gradient_as_it_is_printed_is_not_that_of_the_return(
    seed, reference, q_function
):
    """Eq. 49 with the reward of the first step in place of that of step t."""
    problem = problems.make(seed, reference, q_function)
    _, segments, start, true = episodes(problem, 1.0)
    first = segments.rewards[:, :1]
    states, actions = segments.states[:, :-1], segments.actions
    penalized = segments.rewards - problem.tau * problem.kl[states]
    to_come = np.cumsum(penalized[:, ::-1], axis=1)[:, ::-1] - penalized
    begun = states[:, 0], actions[:, 0]
    weights = start[begun[0]] * problem.policy[begun] * segments.probabilities
    penalty = policy_gradients.kl_gradient(problem.policy, problem.reference, problem.score)

    def gradient(rewards):
        scores = problem.score[states, actions]
        return np.einsum("n,nt,ntp->p", weights, rewards + to_come, scores) - (
            problem.tau * np.einsum("n,ntp->p", weights, penalty[states])
        )

    assert difference(gradient(segments.rewards), true) < EXACT
    assert difference(gradient(first), true) > WRONG


@EVERY
def test_gradients_by_returns_and_by_values_are_the_same(seed, reference, q_function):
    """Eq. 50 is Eq. 49 without an end, with states as often as they are visited, discounted: then
    it is also the true gradient of the discounted return from the start."""
    problem = problems.make(seed, reference, q_function)
    mdp, base, tau = problem.mdp, problem.reference, problem.tau
    start = problem.random_distribution()
    value = soft_values.policy_value(mdp, problem.policy, base, tau)
    advantage = soft_values.q_of_value(mdp, value) - value[:, None]
    states = tabular_mdp.discounted_visits(mdp, problem.policy, start)
    found = policy_gradients.policy_gradient(
        states, problem.policy, base, problem.score, advantage, tau
    )
    true = problem.gradient(
        lambda theta: start @ soft_values.policy_value(mdp, problem.policy_of(theta), base, tau)
    )
    assert difference(found, true) < EXACT
    # A baseline changes nothing.
    q = advantage + value[:, None]
    same = policy_gradients.policy_gradient(states, problem.policy, base, problem.score, q, tau)
    assert difference(same, true) < EXACT
    # The naive one has values without penalties.
    reward = np.sum(problem.policy * mdp.expected_reward(), axis=1)
    step = mdp.discount * mdp.state_transition(problem.policy)
    unpenalized = np.linalg.solve(np.eye(S) - step, reward)
    naive = policy_gradients.policy_gradient(
        states,
        problem.policy,
        base,
        problem.score,
        soft_values.q_of_value(mdp, unpenalized),
        tau,
    )
    assert difference(naive, true) > WRONG


@EVERY
@pytest.mark.parametrize("n", [1, 5])
def test_n_steps_and_a_true_value_give_the_gradient_of_whole_returns(
    seed, reference, q_function, n
):
    """Eq. 52, with the gradient of the divergence that it is printed without."""
    problem = problems.make(seed, reference, q_function)
    mdp, base, tau = problem.mdp, problem.reference, problem.tau
    value = soft_values.policy_value(mdp, problem.policy, base, tau)
    segments = segments_module.enumerate_segments(mdp, problem.policy, n)
    delta = segments.mean(segments_module.advantages(segments, value, problem.kl, tau))
    advantage = soft_values.q_of_value(mdp, value) - value[:, None]
    states = problem.random_distribution()
    arguments = states, problem.policy, base, problem.score
    found = policy_gradients.policy_gradient(*arguments, delta, tau)
    whole = policy_gradients.policy_gradient(*arguments, advantage, tau)
    assert difference(found, whole) < EXACT
    printed = np.einsum("s,sa,sa,sap->p", states, problem.policy, delta, problem.score)
    assert difference(printed, whole) > WRONG
    # With another value, they are biased; more steps less.
    delta = segments.mean(segments_module.advantages(segments, problem.value, problem.kl, tau))
    biased = policy_gradients.policy_gradient(*arguments, delta, tau)
    assert difference(biased, whole) > (WRONG if n == 1 else 100 * EXACT)


@EVERY
def test_the_proper_gradient_vanishes_at_the_best_policy_and_the_naive_one_does_not(
    seed, reference, q_function
):
    """Whatever the states' frequencies (section 3.6); scores are those of any parametrisation."""
    problem = problems.make(seed, reference, q_function)
    mdp, base, tau = problem.mdp, problem.reference, problem.tau
    best = soft_values.optimal_q(mdp, base, tau)
    policy = soft_values.boltzmann_policy(best, base, tau)
    score = policy_gradients.score_of_log_policy(policy, problem.dq / tau)
    value = soft_values.policy_value(mdp, policy, base, tau)
    states = problem.random_distribution()
    found = policy_gradients.policy_gradient(states, policy, base, score, best, tau)
    assert np.max(np.abs(found)) < EXACT
    # Values without penalties: those of the backups with a temperature of 0.
    unpenalized = soft_backups.n_step_backup_v(mdp, value, policy, base, 0.0, 400)
    naive = soft_values.q_of_value(mdp, unpenalized)
    found = policy_gradients.policy_gradient(states, policy, base, score, naive, tau)
    assert np.max(np.abs(found)) > WRONG
