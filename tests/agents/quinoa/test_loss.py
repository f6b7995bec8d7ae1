"""The fixed point of Quinoa's loss on one-step problems: Eq. 1 and 2 of the paper."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import optimize, special

from quinoa.agents.quinoa import loss as quinoa_loss

STATES = 4


def minimise(reward, log_prior, weights, alpha):
    """Minimises the loss over densities on fixed actions and over V, by its gradient.

    Args:
        reward: r(s, a_i), [S, N]: of one step, so that it is Q.
        log_prior: log π̃(a_i|s), [S, N].
        weights: of the actions in the integral ∫ da, [N]; 1 where they are discrete.
        alpha: the temperature.

    Returns:
        log π [S, N] and V [S].
    """
    shape = reward.shape
    size = reward.size
    reward, log_prior = tf.constant(reward), tf.constant(log_prior)

    @tf.function
    def evaluate(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            z, value = tf.reshape(x[:size], shape), x[size:, None]
            # Any density that integrates to one: ∫ π = Σ w exp(log π) = 1.
            log_z = tf.reduce_logsumexp(z / alpha + np.log(weights), axis=1, keepdims=True)
            q = quinoa_loss.implicit_q(z / alpha - log_z, log_prior, value, alpha)
            # A terminal step: what V says of the next state does not count.
            target = quinoa_loss.target_q(reward, 0.0, 1e3)
            loss = quinoa_loss.loss(q, target)
        return loss, tape.gradient(loss, x)

    def fun(x):
        loss, gradient = evaluate(tf.constant(x))
        return loss.numpy(), gradient.numpy()

    start = np.concatenate([alpha * log_prior.numpy().ravel(), np.zeros(shape[0])])
    options = {"ftol": 0.0, "gtol": 1e-12, "maxiter": 3000, "maxfun": 6000}
    found = optimize.minimize(fun, start, jac=True, method="L-BFGS-B", options=options)
    assert found.fun < 1e-18
    z = found.x[:size].reshape(shape) / alpha
    log_policy = z - special.logsumexp(z + np.log(weights), axis=1, keepdims=True)
    return log_policy, found.x[size:]


def closed_form(q, log_prior, weights, alpha):
    """π̃ exp(Q/α) / Z and α log Z (Eq. 1 and 2)."""
    z = np.sum(weights * np.exp(log_prior + q / alpha), axis=1, keepdims=True)
    return np.exp(log_prior + q / alpha) / z, alpha * np.log(z[:, 0])


@pytest.mark.parametrize("alpha", [0.3, 1.0, 5.0])
def test_fixed_point_on_discrete_actions(alpha):
    rng = np.random.default_rng(0)
    q = rng.normal(size=(STATES, 6))
    log_prior = np.log(rng.dirichlet(np.ones(6), STATES))
    log_policy, value = minimise(q, log_prior, np.ones(6), alpha)
    expected_policy, expected_value = closed_form(q, log_prior, np.ones(6), alpha)
    np.testing.assert_allclose(np.exp(log_policy), expected_policy, rtol=0, atol=1e-6)
    np.testing.assert_allclose(value, expected_value, rtol=0, atol=1e-6)
    # And this is the policy that maximises E Q − α KL, its value V.
    objective = np.sum(expected_policy * q, axis=1) - alpha * np.sum(
        special.rel_entr(expected_policy, np.exp(log_prior)), axis=1
    )
    np.testing.assert_allclose(value, objective, atol=1e-6)
    for other in rng.dirichlet(np.ones(6), (20, STATES)):
        divergence = np.sum(special.rel_entr(other, np.exp(log_prior)), axis=1)
        assert np.all(np.sum(other * q, axis=1) - alpha * divergence < value)


@pytest.mark.parametrize("alpha", [0.3, 2.0])
def test_fixed_point_on_densities_over_the_box(alpha):
    action, weights = np.polynomial.legendre.leggauss(40)
    state = np.linspace(-1.0, 1.0, STATES)[:, None]
    q = np.sin(3.0 * action + state) - action**2
    # Triangular priors, denser to one side.
    log_prior = np.log(0.5 * (1.0 + 0.8 * state * action))
    np.testing.assert_allclose(np.sum(weights * np.exp(log_prior), axis=1), 1.0)
    log_policy, value = minimise(q, log_prior, weights, alpha)
    expected_policy, expected_value = closed_form(q, log_prior, weights, alpha)
    np.testing.assert_allclose(np.exp(log_policy), expected_policy, rtol=0, atol=1e-6)
    np.testing.assert_allclose(value, expected_value, rtol=0, atol=1e-6)


def test_repeated_with_the_prior_copied_policies_sharpen_as_the_powers_of_exp_q():
    """After n copies π ∝ π̃₀ exp(nQ/α): the prior accumulates what was learned (line 8)."""
    rng = np.random.default_rng(1)
    q = rng.normal(size=(STATES, 5))
    prior = np.log(rng.dirichlet(np.ones(5), STATES))
    current = prior
    for _ in range(3):
        current, _ = minimise(q, current, np.ones(5), 1.0)
    expected, _ = closed_form(3.0 * q, prior, np.ones(5), 1.0)
    np.testing.assert_allclose(np.exp(current), expected, rtol=0, atol=1e-5)


def test_no_gradient_flows_through_the_target():
    q, target = tf.constant([1.0, 2.0]), tf.constant([3.0, 5.0])
    with tf.GradientTape() as tape:
        tape.watch([q, target])
        loss = quinoa_loss.loss(q, target)
    gradients = tape.gradient(loss, [q, target])
    np.testing.assert_allclose(loss, 6.5)
    np.testing.assert_allclose(gradients[0], [-2.0, -3.0])
    assert gradients[1] is None


def test_equations_by_hand():
    np.testing.assert_allclose(quinoa_loss.implicit_q(-1.0, -3.0, 0.5, 0.1), 0.7)
    np.testing.assert_allclose(quinoa_loss.implicit_q(-2.0, -2.0, 0.5, 7.0), 0.5)
    np.testing.assert_allclose(quinoa_loss.target_q(1.0, 0.9, 2.0), 2.8)
