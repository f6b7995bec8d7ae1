"""Eq. 66-78: the natural gradient, the regressions that give it, and the one that does not."""

import numpy as np
import pytest

from quinoa.theory import natural_gradient, policy_gradients, soft_q, soft_values, tabular_mdp
from tests.theory import problems
from tests.theory.problems import EXACT, WRONG, difference

SEEDED = pytest.mark.parametrize("seed", range(6))
STEPS = pytest.mark.parametrize("n", [1, 5])
SIZES = (3, 3)


class Regression:
    """A problem with its data, where fewer parameters than pairs share Q and the policy."""

    def __init__(self, seed, n, q_function="linear"):
        self.problem = problem = problems.make(seed, "random", q_function, sizes=SIZES)
        states = tabular_mdp.stationary_distribution(problem.mdp, problem.policy)
        self.data = soft_q.on_policy_data(
            problem.mdp, problem.q, problem.reference, problem.tau, n, states
        )
        self.weights = states[:, None] * problem.policy
        self.fisher = natural_gradient.fisher_information(self.weights, problem.score)
        self.gradient = soft_q.policy_part(problem.dq, problem.reference, problem.tau, self.data)
        self.natural = np.linalg.solve(self.fisher, self.gradient)
        self.penalized = natural_gradient.penalized_advantage(
            self.data.advantage, problem.policy, problem.reference, problem.tau
        )

    def log_policy(self, theta):
        problem = self.problem
        q = problem.function(theta)
        return soft_values.boltzmann_log_policy(q, problem.reference, problem.tau)

    def q_with_old_value(self, theta):
        """Q_θ of Eq. 57 while the value stays as it was (section 5): [S, A]."""
        problem = self.problem
        ratio = self.log_policy(theta) - np.log(problem.reference)
        return problem.value[:, None] + problem.tau * ratio

    def target(self, epsilon):
        problem = self.problem
        return natural_gradient.damped_target(
            problem.q, problem.value, problem.kl, self.data.advantage, problem.tau, epsilon
        )


def relative(found, expected):
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@SEEDED
@STEPS
def test_the_natural_gradient_is_the_solution_of_a_regression(seed, n):
    """Eq. 66 and 68 without the penalty, 69-71 with it."""
    case = Regression(seed, n)
    score, weights = case.problem.score, case.weights
    # Eq. 70 is another form of Eq. 69.
    assert (
        difference(np.einsum("sa,sap->p", weights * case.penalized, score), case.gradient) < EXACT
    )
    epsilon = 0.01
    step = natural_gradient.least_squares_step(weights, score, epsilon * case.penalized)
    assert relative(step, epsilon * case.natural) < EXACT
    # Without the penalty it is the natural gradient of another objective.
    bare = np.einsum("sa,sap->p", weights * case.data.advantage, score)
    step = natural_gradient.least_squares_step(weights, score, case.data.advantage)
    assert relative(step, np.linalg.solve(case.fisher, bare)) < EXACT
    assert relative(step, case.natural) > WRONG


@SEEDED
def test_the_fisher_information_is_the_curvature_of_the_divergence(seed):
    case = Regression(seed, 1)
    problem = case.problem
    states = case.weights.sum(axis=1)

    def gradient_of_divergence(theta):
        """∇_θ E[KL[π_old‖π_θ]], which is −E[π_old ∇ log π_θ]."""
        policy = problem.policy_of(theta)
        slope = problem.dq / problem.tau
        score = slope - np.einsum("sa,sap->sp", policy, slope)[:, None]
        return -np.einsum("s,sa,sap->p", states, problem.policy, score)

    # Of a linear function, whose slope is the same everywhere.
    assert difference(problem.gradient(gradient_of_divergence), case.fisher) < EXACT
    assert np.linalg.eigvalsh(case.fisher)[0] > 0


@SEEDED
def test_log_probabilities_change_by_the_step_to_first_order(seed):
    """Eq. 67, where the parameters move by w, which has ε in it, and not by ε w, as printed."""
    case = Regression(seed, 1)
    theta, score = case.problem.theta, case.problem.score
    errors = []
    for epsilon in (1e-3, 1e-4):
        step = natural_gradient.least_squares_step(case.weights, score, epsilon * case.penalized)
        change = case.log_policy(theta + step) - case.log_policy(theta)
        errors.append(relative(change, score @ step))
        printed = case.log_policy(theta + epsilon * step) - case.log_policy(theta)
        assert relative(printed, score @ step) > 0.9
    assert errors[0] < 0.05 and errors[1] == pytest.approx(errors[0] / 10, rel=0.3)


@SEEDED
@STEPS
def test_a_step_of_damped_soft_q_learning_is_a_natural_gradient_step(seed, n):
    """Eq. 74-78: with the step ε/τ, where Eq. 78, printed without τ, has ε."""
    case = Regression(seed, n)
    problem, epsilon = case.problem, 1e-2
    assert problem.tau < 0.9
    target = case.target(epsilon)
    by_hand = problem.q + epsilon * case.penalized
    assert difference(target, by_hand) < EXACT
    assert difference(case.q_with_old_value(problem.theta), problem.q) < EXACT
    slope = problem.gradient(case.q_with_old_value)
    assert difference(slope, problem.tau * problem.score) < EXACT
    step = natural_gradient.least_squares_step(case.weights, slope, target - problem.q)
    assert relative(step, epsilon / problem.tau * case.natural) < EXACT
    assert relative(step, epsilon * case.natural) > 0.1


@SEEDED
@STEPS
def test_damped_soft_q_learning_follows_the_natural_gradient_and_undamped_does_not(seed, n):
    """The regression's own solution, not its first step: Eq. 72 and 73 are those with ε = 1."""
    case = Regression(seed, n)
    problem = case.problem

    def error(epsilon):
        """How far the solution is from the natural gradient step, in parts of that."""
        found = natural_gradient.regress(
            case.q_with_old_value, problem.theta, case.weights, case.target(epsilon)
        )
        return relative(found - problem.theta, epsilon / problem.tau * case.natural)

    # What is left is of second order: a tenth of ε has about a tenth of the error.
    small, smaller = error(1e-4), error(1e-5)
    assert small < 0.01 and smaller < small / 5
    assert error(1.0) > 0.1


@SEEDED
def test_undamped_regression_is_towards_the_reference_not_the_old_policy(seed):
    """Below Eq. 73: log π_θ is regressed towards log π̄ + Δ/τ + KL, which is printed with π_θold."""
    case = Regression(seed, 1)
    problem = case.problem
    towards = case.data.advantage / problem.tau + problem.kl[:, None]
    theta = problem.theta + 0.1
    error = case.q_with_old_value(theta) - case.target(1.0)
    log_policy = case.log_policy(theta)
    by_reference = log_policy - (np.log(problem.reference) + towards)
    assert difference(problem.tau * by_reference, error) < EXACT
    printed = log_policy - (np.log(problem.policy) + towards)
    assert difference(problem.tau * printed, error) > WRONG


@SEEDED
def test_a_value_with_parameters_of_its_own_leaves_the_policys_step_alone(seed):
    """E[∇ log π · f(s)] = 0: the value explains nothing of what the policy is to explain.

    So it is where every action counts as often as it is taken.
    """
    case = Regression(seed, 5)
    problem, epsilon = case.problem, 1e-2
    num_states, num_actions = SIZES
    value_slope = np.repeat(np.eye(num_states)[:, None], num_actions, axis=1)
    slope = np.concatenate([problem.tau * problem.score, value_slope], axis=-1)
    change = case.target(epsilon) - problem.q
    step = natural_gradient.least_squares_step(case.weights, slope, change)
    expected = epsilon / problem.tau * case.natural
    assert relative(step[: expected.size], expected) < EXACT
    assert np.max(np.abs(step[expected.size :])) > 1e-4
    # In other frequencies, as those of a few samples are, it does.
    uneven = case.weights * problem.rng.uniform(0.2, 1.8, SIZES)
    alone = natural_gradient.least_squares_step(uneven, slope[..., : expected.size], change)
    step = natural_gradient.least_squares_step(uneven, slope, change)
    assert relative(step[: expected.size], alone) > WRONG


@SEEDED
def test_a_value_that_shares_the_policys_parameters_changes_its_step(seed):
    """Section 5's condition that V_θ = V_θold: with Q_θ itself, however small ε is."""
    case = Regression(seed, 5)
    problem = case.problem
    for epsilon in (1e-2, 1e-5):
        change = case.target(epsilon) - problem.q
        step = natural_gradient.least_squares_step(case.weights, problem.dq, change)
        assert relative(step, epsilon / problem.tau * case.natural) > 0.05


@SEEDED
def test_regression_finds_the_least_squares_solution(seed):
    case = Regression(seed, 1)
    problem = case.problem
    target = problem.rng.normal(size=SIZES)
    found = natural_gradient.regress(problem.function, problem.theta, case.weights, target)
    # Of a linear function it is known; of another, its gradient is zero and no neighbour is better.
    step = natural_gradient.least_squares_step(case.weights, problem.dq, target - problem.q)
    assert difference(found, problem.theta + step) < 1e-9
    found = natural_gradient.regress(
        case.q_with_old_value, problem.theta, case.weights, case.target(0.05)
    )

    def loss(theta):
        return 0.5 * np.sum(case.weights * (case.q_with_old_value(theta) - case.target(0.05)) ** 2)

    least = loss(found)
    for _ in range(20):
        assert loss(found + 1e-3 * problem.rng.normal(size=found.size)) > least


def test_scores_of_a_network_will_do_too():
    """Where parameters are more than pairs, F has no inverse, and the shortest step is meant."""
    case = Regression(0, 5, "network")
    problem = case.problem
    assert np.linalg.matrix_rank(case.fisher) < problem.theta.size
    step = natural_gradient.least_squares_step(case.weights, problem.score, case.penalized)
    shortest = np.linalg.pinv(case.fisher, rcond=1e-10, hermitian=True) @ case.gradient
    assert relative(step, shortest) < 1e-6
    score = policy_gradients.score_of_log_policy(problem.policy, problem.dq / problem.tau)
    assert relative(score @ step, score @ shortest) < 1e-8
