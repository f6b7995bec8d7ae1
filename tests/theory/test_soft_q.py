"""The theorem, Eq. 55-65, and its case of one state, Eq. 8, 9 and 15-23.

Every gradient is computed twice: by the paper's formula, and as the true derivative of what it is
said to be the gradient of, taken without any of these formulae.
"""

import numpy as np
import pytest

from quinoa.theory import policy_gradients, soft_backups, soft_q, soft_values, tabular_mdp
from tests.theory import problems
from tests.theory.problems import EXACT, WRONG, A, S, difference

EVERY = pytest.mark.parametrize(("seed", "reference", "q_function"), problems.EVERY)
STEPS = pytest.mark.parametrize("n", [1, 5])


def data_of(problem, n, states=None):
    if states is None:
        states = problem.random_distribution()
    return soft_q.on_policy_data(problem.mdp, problem.q, problem.reference, problem.tau, n, states)


@EVERY
@STEPS
def test_the_gradient_of_soft_q_learning_is_policy_gradient_and_value_gradient(
    seed, reference, q_function, n
):
    """Eq. 58 = 59 = 65, with true derivatives on both sides."""
    problem = problems.make(seed, reference, q_function)
    stationary = tabular_mdp.stationary_distribution(problem.mdp, problem.policy)
    for states in (problem.random_distribution(), stationary):
        check_theorem(problem, n, states)


@pytest.mark.parametrize("discount", [0.0, 0.5, 0.99])
def test_it_holds_of_more_states_and_actions_and_other_discounts(discount):
    problem = problems.make(0, "random", "network", discount, sizes=(6, 4))
    check_theorem(problem, 2, problem.rng.dirichlet(np.ones(6)))


def check_theorem(problem, n, states):
    tau = problem.tau
    data = data_of(problem, n, states)
    assert data.weights.sum() == pytest.approx(1.0, abs=1e-12)
    left = problem.gradient(lambda theta: soft_q.soft_q_loss(problem.function(theta), data))
    assert difference(soft_q.soft_q_gradient(problem.q, problem.dq, data), left) < EXACT

    # What Eq. 65 differentiates: log π_θ and the divergence, in expectations of a fixed π_θ, and
    # the value's squared error, with V̂ fixed.
    fixed = states[:, None] * data.policy * data.advantage

    def surrogate(theta):
        policy = problem.policy_of(theta)
        penalty = states @ soft_values.kl_divergence(policy, problem.reference)
        return np.sum(fixed * np.log(policy)) - tau * penalty

    target = data.value + np.sum(data.policy * data.advantage, axis=1)

    def value_loss(theta):
        value = soft_values.soft_value(problem.function(theta), problem.reference, tau)
        return 0.5 * np.sum(states * (value - target) ** 2)

    policy_part, value_part = problem.gradient(surrogate), problem.gradient(value_loss)
    found = soft_q.policy_part(problem.dq, problem.reference, tau, data)
    assert difference(found, policy_part) < EXACT
    assert difference(soft_q.value_part(problem.dq, data), value_part) < EXACT

    right = tau * (-policy_part + value_part / tau)
    assert difference(left, right) < EXACT
    # The value's coefficient is 1/τ, not 1 and not A2C's 1/2; and the penalty belongs to it.
    for coefficient in (1.0, 0.5):
        assert difference(left, tau * (-policy_part + coefficient * value_part)) > WRONG
    bare = np.einsum("sa,sap->p", fixed, problem.score)
    assert difference(left, tau * (-bare + value_part / tau)) > WRONG


@EVERY
def test_the_value_targets_are_the_backup_of_the_value(seed, reference, q_function):
    """V̂ of Eq. 65 is T_πⁿ V, which Eq. 53 regresses on."""
    problem = problems.make(seed, reference, q_function)
    for n in (1, 5):
        data = data_of(problem, n)
        target = data.value + np.sum(data.policy * data.advantage, axis=1)
        backed_up = soft_backups.n_step_backup_v(
            problem.mdp, problem.value, problem.policy, problem.reference, problem.tau, n
        )
        assert difference(target, backed_up) < EXACT


@EVERY
def test_the_gradient_vanishes_at_optimal_q(seed, reference, q_function):
    problem = problems.make(seed, reference, q_function)
    best = soft_values.optimal_q(problem.mdp, problem.reference, problem.tau)
    states = problem.random_distribution()
    data = soft_q.on_policy_data(problem.mdp, best, problem.reference, problem.tau, 5, states)
    assert np.max(np.abs(soft_q.soft_q_gradient(best, problem.dq, data))) < EXACT
    assert np.max(np.abs(soft_q.value_part(problem.dq, data))) < EXACT


@STEPS
@pytest.mark.parametrize("seed", problems.SEEDS)
def test_it_holds_in_expectation_not_for_each_segment_and_not_for_another_policys_data(seed, n):
    """Section 6, question 3: the estimators of a single segment differ."""
    problem = problems.make(seed)
    tau, data = problem.tau, data_of(problem, n)
    first = data.segments.states[:, 0], data.segments.actions[:, 0]
    errors = problem.q[first] - data.targets
    left = errors[:, None] * problem.dq[first]
    # Δ of a segment: y less what Eq. 47 adds to it.
    delta = data.targets - (tau * problem.kl + problem.value)[first[0]]
    penalty = policy_gradients.kl_gradient(problem.policy, problem.reference, problem.score)
    dv = np.einsum("sa,sap->sp", problem.policy, problem.dq)
    right = -tau * (delta[:, None] * problem.score[first] - tau * penalty[first[0]])
    right -= delta[:, None] * dv[first[0]]
    assert difference(data.weights @ left, data.weights @ right) < EXACT
    assert np.min(np.max(np.abs(left - right), axis=1)) > WRONG
    # Actions of another policy, with weights of its own.
    other = problem.rng.dirichlet(np.ones(A), S)
    weights = data.weights / problem.policy[first] * other[first]
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert difference(weights @ left, weights @ right) > WRONG


class Bandit:
    """Rewards of A arms with three outcomes each, in the place of a problem's state 0."""

    def __init__(self, seed, reference, q_function):
        problem = problems.make(seed, reference, q_function)
        self.tau, self.base = problem.tau, problem.reference[0]
        self.rewards = problem.rng.normal(size=(A, 3))
        self.chances = problem.rng.dirichlet(np.ones(3), A)
        self.mean = np.sum(self.rewards * self.chances, axis=1)
        self.function = lambda theta: problem.function(theta)[0]
        self.gradient = problem.gradient
        self.q, self.policy = problem.q[0], problem.policy[0]
        self.value, self.kl = problem.value[0], problem.kl[0]

    def policy_of(self, theta):
        return soft_values.boltzmann_policy(self.function(theta), self.base, self.tau)

    def value_of(self, theta):
        return soft_values.soft_value(self.function(theta), self.base, self.tau)


@EVERY
def test_a_bandits_squared_error_has_the_policy_gradient_and_the_values(
    seed, reference, q_function
):
    """Eq. 8, 9, 15-17, 22 and 23, with rewards that are random for each action."""
    bandit = Bandit(seed, reference, q_function)
    tau, policy, weights = bandit.tau, bandit.policy, bandit.policy[:, None] * bandit.chances

    def loss(theta):
        error = bandit.function(theta)[:, None] - bandit.rewards
        return 0.5 * np.sum(weights * error**2)

    left = bandit.gradient(loss)
    dq = bandit.gradient(bandit.function)
    assert difference((policy * (bandit.q - bandit.mean)) @ dq, left) < EXACT

    policy_part = bandit.gradient(
        lambda theta: soft_values.penalized_value(
            bandit.mean, bandit.policy_of(theta), bandit.base, tau
        )
    )
    # Eq. 23: π and its divergence are fixed, and the reward random.
    penalized = bandit.rewards - tau * bandit.kl
    value_part = bandit.gradient(
        lambda theta: np.sum(weights * 0.5 * (bandit.value_of(theta) - penalized) ** 2)
    )
    assert difference(left, -tau * policy_part + value_part) < EXACT
    assert difference(left, -policy_part + value_part) > WRONG

    # Eq. 22, whose second term is E[∇v (v + τ KL − r)].
    score = bandit.gradient(lambda theta: np.log(bandit.policy_of(theta)))
    kl = bandit.gradient(
        lambda theta: soft_values.kl_divergence(bandit.policy_of(theta), bandit.base)
    )
    dv = bandit.gradient(bandit.value_of)
    first = tau * (policy * (bandit.value - bandit.mean)) @ score + tau**2 * kl
    error = bandit.value + tau * bandit.kl - policy @ bandit.mean
    assert difference(first + dv * error, left) < EXACT

    # It is printed as ∇E[v (v + τ KL − r)], with all of it differentiated.
    def printed(theta):
        value, policy = bandit.value_of(theta), bandit.policy_of(theta)
        kl = soft_values.kl_divergence(policy, bandit.base)
        return value * (value + tau * kl - np.sum(policy * bandit.mean))

    assert difference(first + bandit.gradient(printed), left) > WRONG


@EVERY
def test_a_bandit_is_one_state_without_a_discount(seed, reference, q_function):
    """So that what has been shown of MDPs holds for it: its rewards are those by the next state."""
    bandit = Bandit(seed, reference, q_function)
    transition = np.broadcast_to(bandit.chances, (S, A, S)).copy()
    mdp = tabular_mdp.TabularMDP(transition, np.broadcast_to(bandit.rewards, (S, A, S)).copy(), 0.0)
    q = np.broadcast_to(bandit.q, (S, A)).copy()
    base = np.broadcast_to(bandit.base, (S, A)).copy()
    data = soft_q.on_policy_data(mdp, q, base, bandit.tau, 1, np.eye(S)[0])
    dq = np.stack([bandit.gradient(bandit.function)] * S)
    weights = bandit.policy[:, None] * bandit.chances

    def loss(theta):
        error = bandit.function(theta)[:, None] - bandit.rewards
        return 0.5 * np.sum(weights * error**2)

    assert difference(soft_q.soft_q_gradient(q, dq, data), bandit.gradient(loss)) < EXACT
