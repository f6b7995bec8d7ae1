"""IQ's loss against dynamic programming on random finite MDPs, in float64."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import optimize, special

from quinoa.agents.iq import loss as iq_loss
from quinoa.theory import mirror_descent, soft_values, tabular_mdp
from quinoa.theory.mirror_descent import Iterate, uniform_iterate

GAMMA = 0.9
STATES, ACTIONS = 5, 4
ONES = np.ones((STATES, ACTIONS))


def make_mdp(seed):
    return tabular_mdp.random_mdp(np.random.default_rng(seed), STATES, ACTIONS, GAMMA)


@pytest.fixture(params=range(3))
def mdp(request):
    return make_mdp(request.param)


def targets(mdp, iterate, tau, alpha):
    """Our target for every (s, a), its V̄(s') averaged over s'; [S, A]."""
    reward, next_value = mdp.expected_reward(), mdp.transition @ iterate.value
    return iq_loss.target_q(reward, GAMMA, next_value, iterate.log_policy, tau, alpha)


def minimise(target, tau):
    """The policy and the value that minimise our loss, found by following its gradient."""
    target = tf.constant(target)

    @tf.function
    def evaluate(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            z, value = tf.reshape(x[:-STATES], [STATES, ACTIONS]), x[-STATES:, None]
            # Logits in units of Q, for the sake of the search's condition.
            q = iq_loss.implicit_q(tf.nn.log_softmax(z / tau), value, tau)
            loss = iq_loss.loss(q, target)
        return loss, tape.gradient(loss, x)

    def fun(x):
        loss, gradient = evaluate(tf.constant(x))
        return loss.numpy(), gradient.numpy()

    x = np.zeros(STATES * ACTIONS + STATES)
    options = {"ftol": 0.0, "gtol": 1e-12, "maxiter": 2000, "maxfun": 5000}
    found = optimize.minimize(fun, x, jac=True, method="L-BFGS-B", options=options)
    assert found.fun < 1e-18
    z, value = found.x[:-STATES].reshape([STATES, ACTIONS]), found.x[-STATES:]
    return Iterate(special.log_softmax(z / tau, axis=1), value)


def exact(target, tau):
    """The same in closed form: where every residual is 0 and π sums to 1."""
    value = tau * special.logsumexp(target / tau, axis=1)
    return Iterate((target - value[:, None]) / tau, value)


CASES = pytest.mark.parametrize(
    "tau, alpha", [(1.0, 0.0), (0.1, 0.0), (0.1, 0.9), (0.5, 0.5), (0.03, 0.99)]
)


@CASES
def test_exact_minimisation_gives_the_policies_of_mirror_descent_value_iteration(mdp, tau, alpha):
    """Theorem 1: IQ-DP(α, τ) is MD-VI(ατ, (1 − α)τ)."""
    ours = theirs = uniform_iterate(mdp)
    for _ in range(30):
        target = targets(mdp, ours, tau, alpha)
        ours = exact(target, tau)
        # It is our loss that this minimises, and the policy is one.
        q = iq_loss.implicit_q(ours.log_policy, ours.value[:, None], tau)
        assert iq_loss.loss(q, target) < 1e-20
        np.testing.assert_allclose(np.exp(ours.log_policy).sum(axis=1), 1.0, atol=1e-10)
        theirs = mirror_descent.mirror_descent_step(mdp, theirs, alpha * tau, (1.0 - alpha) * tau)
        np.testing.assert_allclose(ours.log_policy, theirs.log_policy, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(ours.value, theirs.value, rtol=1e-8, atol=1e-8)
    assert np.max(np.abs(ours.log_policy - uniform_iterate(mdp).log_policy)) > 0.2


@pytest.mark.parametrize("tau, alpha", [(1.0, 0.0), (0.5, 0.5)])
def test_following_the_gradient_of_the_loss_gives_the_same_policies(tau, alpha):
    """So that gradients, too, go where they should: nothing is solved by hand."""
    mdp = make_mdp(0)
    ours = theirs = uniform_iterate(mdp)
    for _ in range(4):
        ours = minimise(targets(mdp, ours, tau, alpha), tau)
        theirs = mirror_descent.mirror_descent_step(mdp, theirs, alpha * tau, (1.0 - alpha) * tau)
        expected = np.exp(theirs.log_policy)
        np.testing.assert_allclose(np.exp(ours.log_policy), expected, rtol=0, atol=1e-6)


@CASES
def test_converges_to_the_soft_optimal_policy(mdp, tau, alpha):
    """Of the MDP regularised at τ for α = 0, and at (1 − α)τ in general (section 3.1)."""
    ours = uniform_iterate(mdp)
    # Errors shrink as γᵏ and αᵏ.
    for _ in range(round(20.0 / (1.0 - max(GAMMA, alpha)))):
        ours = exact(targets(mdp, ours, tau, alpha), tau)
    temperature = (1.0 - alpha) * tau
    best = soft_values.optimal_q(mdp, ONES, temperature)
    expected = soft_values.boltzmann_policy(best, ONES, temperature)
    np.testing.assert_allclose(np.exp(ours.log_policy), expected, rtol=0, atol=1e-6)
    if alpha == 0:
        value = soft_values.soft_value(best, ONES, temperature)
        np.testing.assert_allclose(ours.value, value, rtol=1e-6)


def test_equations_by_hand():
    np.testing.assert_allclose(iq_loss.implicit_q(np.log(0.25), 3.0, 0.5), 0.5 * np.log(0.25) + 3.0)
    np.testing.assert_allclose(
        iq_loss.target_q(1.0, 0.9, 2.0, -3.0, 0.5, 0.8), 1.0 + 0.8 * 0.5 * -3.0 + 0.9 * 2.0
    )
    np.testing.assert_allclose(iq_loss.loss(tf.constant([1.0, 2.0]), tf.constant([4.0, 1.0])), 5.0)


@pytest.mark.parametrize("alpha", [0.0, 0.9])
def test_n_step_targets_have_the_fixed_point_of_one_step_whatever_was_done(mdp, alpha):
    """Path consistency: at the fixed point of Eq. 2, and on average over s' (all of them, exactly).

    V and π are random, and rewards such that they solve Eq. 2.
    """
    tau, n = 0.3, 4
    rng = np.random.default_rng(1)
    value = rng.normal(size=STATES)
    log_policy = special.log_softmax(rng.normal(size=(STATES, ACTIONS)), axis=1)
    reward = value[:, None] + (1 - alpha) * tau * log_policy - GAMMA * mdp.transition @ value
    actions = rng.integers(ACTIONS, size=n)
    # For each state at first: the distribution over states after i of these actions.
    reached, total = np.eye(STATES), np.zeros(STATES)
    for i, action in enumerate(actions):
        total += GAMMA**i * reached @ reward[:, action]
        if i:
            joined = reached @ log_policy[:, action]
            joined, weight = joined[:, None], np.full([1, 1], GAMMA**i)
            total += iq_loss.path_rewards(joined, joined, weight, tau, alpha)
        reached = reached @ mdp.transition[:, action]
    first = log_policy[:, actions[0]]
    target = iq_loss.target_q(total, GAMMA**n, reached @ value, first, tau, alpha)
    np.testing.assert_allclose(target, iq_loss.implicit_q(first, value, tau), atol=1e-12)
