"""IQ's loss against dynamic programming on random finite MDPs, in float64."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import optimize, special

from quinoa.agents.iq import loss as iq_loss

GAMMA = 0.9
STATES, ACTIONS = 5, 4


@pytest.fixture(params=range(3))
def mdp(request):
    """P [S, A, S] and r [S, A]."""
    rng = np.random.default_rng(request.param)
    return rng.dirichlet(np.ones(STATES), (STATES, ACTIONS)), rng.normal(size=(STATES, ACTIONS))


def start():
    """ln π of the uniform policy [S, A], in logarithms as π may underflow, and V = 0 [S]."""
    return np.full([STATES, ACTIONS], -np.log(ACTIONS)), np.zeros(STATES)


def targets(mdp, iterate, tau, alpha):
    """Our target for every (s, a), its V̄(s') averaged over s'; [S, A]."""
    (transition, reward), (log_policy, value) = mdp, iterate
    return iq_loss.target_q(reward, GAMMA, transition @ value, log_policy, tau, alpha)


def minimise(target, tau):
    """ln π [S, A] and V [S] that minimise our loss, found by following its gradient."""
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
    return special.log_softmax(z / tau, axis=1), value


def exact(target, tau):
    """The same in closed form: where every residual is 0 and π sums to 1."""
    value = tau * special.logsumexp(target / tau, axis=1)
    return (target - value[:, None]) / tau, value


def entropy(policy):
    return -np.sum(special.xlogy(policy, policy), axis=1)


def mirror_descent(mdp, iterate, entropy_weight, kl_weight):
    """One step of MD-VI as Theorem 1 writes it: argmax ⟨π, q⟩ + w_H H(π) − w_KL KL(π‖π_k)."""
    (transition, reward), (log_policy, value) = mdp, iterate
    q = reward + GAMMA * transition @ value

    def objective(policy):
        kl = -entropy(policy) - np.sum(policy * log_policy, axis=1)
        return np.sum(policy * q, axis=1) + entropy_weight * entropy(policy) - kl_weight * kl

    # By Lagrange: q − w_H (ln π + 1) − w_KL (ln π − ln π_k + 1) is the same for every action.
    temperature = entropy_weight + kl_weight
    new_log_policy = special.log_softmax((q + kl_weight * log_policy) / temperature, axis=1)
    new = np.exp(new_log_policy)
    # And it is the argmax: no policy nearby or far off is better.
    rng = np.random.default_rng(0)
    for weight in (1e-3, 0.1, 1.0):
        other = (1.0 - weight) * new + weight * rng.dirichlet(np.ones(ACTIONS), STATES)
        assert np.all(objective(other) <= objective(new) + 1e-12)
    return new_log_policy, objective(new)


CASES = pytest.mark.parametrize(
    "tau, alpha", [(1.0, 0.0), (0.1, 0.0), (0.1, 0.9), (0.5, 0.5), (0.03, 0.99)]
)


@CASES
def test_exact_minimisation_gives_the_policies_of_mirror_descent_value_iteration(mdp, tau, alpha):
    """Theorem 1: IQ-DP(α, τ) is MD-VI(ατ, (1 − α)τ)."""
    ours = theirs = start()
    for _ in range(30):
        target = targets(mdp, ours, tau, alpha)
        ours = exact(target, tau)
        # It is our loss that this minimises, and the policy is one.
        q = iq_loss.implicit_q(ours[0], ours[1][:, None], tau)
        assert iq_loss.loss(q, target) < 1e-20
        np.testing.assert_allclose(np.exp(ours[0]).sum(axis=1), 1.0, atol=1e-10)
        theirs = mirror_descent(mdp, theirs, (1.0 - alpha) * tau, alpha * tau)
        np.testing.assert_allclose(np.exp(ours[0]), np.exp(theirs[0]), rtol=0, atol=1e-6)
        np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-6, atol=1e-6)
    assert np.max(np.abs(ours[0] - start()[0])) > 0.2


@pytest.mark.parametrize("tau, alpha", [(1.0, 0.0), (0.5, 0.5)])
def test_following_the_gradient_of_the_loss_gives_the_same_policies(tau, alpha):
    """So that gradients, too, go where they should: nothing is solved by hand."""
    rng = np.random.default_rng(0)
    model = rng.dirichlet(np.ones(STATES), (STATES, ACTIONS)), rng.normal(size=(STATES, ACTIONS))
    ours = theirs = start()
    for _ in range(4):
        ours = minimise(targets(model, ours, tau, alpha), tau)
        theirs = mirror_descent(model, theirs, (1.0 - alpha) * tau, alpha * tau)
        np.testing.assert_allclose(np.exp(ours[0]), np.exp(theirs[0]), rtol=0, atol=1e-6)


def soft_value(mdp, policy, temperature):
    """The value of a policy in the entropy-regularised MDP, by solving its linear equations."""
    transition, reward = mdp
    reward = np.sum(policy * reward, axis=1) + temperature * entropy(policy)
    step = np.einsum("sa,sat->st", policy, transition)
    return np.linalg.solve(np.eye(STATES) - GAMMA * step, reward)


@CASES
def test_converges_to_the_soft_optimal_policy(mdp, tau, alpha):
    """Of the MDP regularised at τ for α = 0, and at (1 − α)τ in general (section 3.1)."""
    transition, reward = mdp
    ours = start()
    # Errors shrink as γᵏ and αᵏ.
    for _ in range(round(20.0 / (1.0 - max(GAMMA, alpha)))):
        ours = exact(targets(mdp, ours, tau, alpha), tau)
    temperature = (1.0 - alpha) * tau
    value = np.zeros(STATES)
    for _ in range(300):
        q = reward + GAMMA * transition @ value
        value = temperature * special.logsumexp(q / temperature, axis=1)
    best = special.softmax(q / temperature, axis=1)
    policy = np.exp(ours[0])
    np.testing.assert_allclose(policy, best, rtol=0, atol=1e-6)
    if alpha == 0:
        np.testing.assert_allclose(ours[1], value, rtol=1e-6)
    # Optimal it is: no other policy is worth more in any state.
    ours_value = soft_value(mdp, policy, temperature)
    np.testing.assert_allclose(ours_value, value, rtol=1e-6)
    rng = np.random.default_rng(0)
    for weight in (0.01, 0.1, 1.0):
        other = (1.0 - weight) * policy + weight * rng.dirichlet(np.ones(ACTIONS), STATES)
        assert np.all(soft_value(mdp, other, temperature) < ours_value)


def test_equations_by_hand():
    np.testing.assert_allclose(iq_loss.implicit_q(np.log(0.25), 3.0, 0.5), 0.5 * np.log(0.25) + 3.0)
    np.testing.assert_allclose(
        iq_loss.target_q(1.0, 0.9, 2.0, -3.0, 0.5, 0.8), 1.0 + 0.8 * 0.5 * -3.0 + 0.9 * 2.0
    )
    np.testing.assert_allclose(iq_loss.loss(tf.constant([1.0, 2.0]), tf.constant([4.0, 1.0])), 5.0)
