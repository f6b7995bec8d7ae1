"""The paper's equations: closed forms, quadrature, and automatic differentiation beside them."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from quinoa.agents import activations, networks
from quinoa.agents.ddpg import loss as ddpg_loss
from quinoa.agents.smoothie import loss as smoothie_loss

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
SEED = tf.constant([1, 2])


def q(y):
    """A Q-function of two dimensions that is no quadratic, [..., 2] → [...]."""
    first, second = tf.unstack(y, axis=-1)
    return tf.exp(-tf.square(first - 0.3)) + 0.3 * tf.sin(2.0 * second + first) - 0.1 * second**4


def smoothed(y, variance):
    """Eq. 9 by quadrature: ∫ N(ỹ|y, Σ) Q(ỹ) dỹ, float64 [B], for y [B, 2] and Σ's diagonal [2]."""
    grid = tf.constant(np.stack(np.meshgrid(NODES, NODES, indexing="ij"), axis=-1).reshape(-1, 2))
    weights = tf.constant(np.outer(WEIGHTS, WEIGHTS).ravel())
    return tf.linalg.matvec(q(y[:, None] + tf.sqrt(variance) * grid), weights)


def points():
    return tf.constant(np.random.default_rng(0).normal(size=(7, 2)))


def test_theorem_1_the_derivative_by_the_variance_is_half_the_second_one_by_the_action():
    variance = tf.constant([0.2, 0.5], tf.float64)
    for i in range(2):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(variance)
            values = tf.unstack(smoothed(points(), variance))
        by_variance = np.array([tape.gradient(value, variance)[i] for value in values])
        _, curvature = smoothie_loss.derivatives(lambda y: smoothed(y, variance), points())
        np.testing.assert_allclose(by_variance, 0.5 * curvature[:, i], rtol=1e-8, atol=1e-10)
        assert np.abs(by_variance).max() > 0.1
        # It is no fact of every function: not of Q itself.
        _, of_q = smoothie_loss.derivatives(q, points())
        assert np.abs(of_q[:, i] - curvature[:, i]).max() > 0.1


def test_derivatives_are_those_of_finite_differences():
    step = 1e-4
    gradient, curvature = smoothie_loss.derivatives(q, points())
    for i in range(2):
        shift = step * np.eye(2)[i]
        lower, upper = q(points() - shift), q(points() + shift)
        np.testing.assert_allclose(gradient[:, i], (upper - lower) / (2 * step), atol=1e-6)
        second = (upper - 2.0 * q(points()) + lower) / step**2
        np.testing.assert_allclose(curvature[:, i], second, atol=1e-5)


def test_a_q_function_of_relus_is_refused():
    critic = networks.ActionValue(3, 2, (8,))
    with pytest.raises(activations.SecondDerivativeError):
        smoothie_loss.derivatives(lambda y: critic(tf.zeros([4, 3]), y), tf.ones([4, 2]))


def test_the_actors_loss_is_the_gradient_of_the_smoothed_value():
    """Eq. 10, 13 and 15: with the exact Q̃, what the loss follows is ∂Q̃(μ, Σ) in both."""
    mean, log_variance = tf.Variable(points()), tf.Variable([-1.0, -0.5], dtype=tf.float64)
    with tf.GradientTape() as tape:
        value = tf.reduce_mean(smoothed(mean, tf.exp(log_variance)))
    expected = tape.gradient(value, [mean, log_variance])
    found = smoothie_loss.derivatives(
        lambda y: smoothed(y, tf.exp(log_variance)), tf.constant(mean.numpy())
    )
    with tf.GradientTape() as tape:
        loss = smoothie_loss.actor_loss(mean, tf.exp(log_variance), *found)
    for gradient, wanted in zip(tape.gradient(loss, [mean, log_variance]), expected, strict=True):
        np.testing.assert_allclose(gradient, -wanted, rtol=1e-8)


def test_with_a_variance_of_0_it_is_ddpgs_update():
    """Section 5: as Σ goes to 0 both losses and the mean's gradient are DDPG's."""
    critic = networks.ActionValue(3, 2, (8, 8), activation="softplus")
    rng = np.random.default_rng(0)
    s, a = (tf.constant(rng.normal(size=(16, n)), tf.float32) for n in (3, 2))
    target = tf.constant(rng.normal(size=16), tf.float32)
    variance, mean = tf.fill([2], 1e-12), tf.Variable(a)
    phantom = smoothie_loss.around(a, variance, SEED)
    losses, gradients = [], []
    for action, loss in ((phantom, smoothie_loss.weighted_loss), (a, ddpg_loss.critic_loss)):
        with tf.GradientTape() as tape:
            losses.append(loss(critic(s, action), target))
        gradients.append(tape.gradient(losses[-1], critic.trainable_variables))
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    for ours, theirs in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    log_variance = tf.Variable(tf.math.log(variance))
    found = smoothie_loss.derivatives(lambda y: critic(s, y), tf.constant(mean.numpy()))
    with tf.GradientTape(persistent=True) as tape:
        ours = smoothie_loss.actor_loss(mean, tf.exp(log_variance), *found)
        theirs = ddpg_loss.actor_loss(critic(s, mean))
    np.testing.assert_allclose(
        tape.gradient(ours, mean), tape.gradient(theirs, mean), rtol=1e-4, atol=1e-7
    )
    # And nothing is left to move the variance.
    np.testing.assert_allclose(tape.gradient(ours, log_variance), 0.0, atol=1e-12)


def test_the_divergence_is_that_of_gaussians():
    rng = np.random.default_rng(0)
    mean, old_mean = (tf.constant(rng.normal(size=(5, 3)), tf.float32) for _ in range(2))
    variance, old_variance = (tf.constant(rng.uniform(0.1, 2.0, 3), tf.float32) for _ in range(2))
    ours = smoothie_loss.divergence(mean, variance, old_mean, old_variance)
    now = tfd.MultivariateNormalDiag(mean, tf.sqrt(variance))
    old = tfd.MultivariateNormalDiag(old_mean, tf.sqrt(old_variance))
    np.testing.assert_allclose(ours, tfd.kl_divergence(now, old), rtol=1e-4)
    np.testing.assert_allclose(smoothie_loss.divergence(mean, variance, mean, variance), 0.0)


@pytest.mark.parametrize("is_weighted", [True, False])
def test_the_optimum_of_eq_18_is_eq_9_where_actions_are_weighted_by_how_probable_they_were(
    is_weighted,
):
    """On a grid, where the least squares of all phantom actions of all actions are a mean."""
    actions = np.linspace(-8.0, 8.0, 801)
    density = np.exp(-0.5 * ((actions - 0.5) / 2.0) ** 2) / (2.0 * np.sqrt(2.0 * np.pi))
    targets, variance = np.cos(actions), 0.3
    weight = np.ones_like(actions)
    if is_weighted:
        weight = smoothie_loss.importance_weight(tf.constant(np.log(density)), 1e9).numpy()
        # Bounded where it is asked for.
        bounded = smoothie_loss.importance_weight(tf.constant(np.log(density)), 7.0)
        assert np.max(bounded) == 7.0 and np.min(bounded) == np.min(weight)
    phantom = np.linspace(-2.0, 2.0, 9)
    distance = phantom[:, None] - actions
    # δ of Eq. 19 times q, but for a constant.
    shares = density * weight * np.exp(-0.5 * distance**2 / variance)
    optimum = shares @ targets / shares.sum(axis=1)
    # ∫ N(ỹ|y, σ²) cos ỹ dỹ.
    expected = np.exp(-0.5 * variance) * np.cos(phantom)
    if is_weighted:
        np.testing.assert_allclose(optimum, expected, atol=1e-6)
    else:
        # Without the weights it leans to where actions are more probable.
        assert np.abs(optimum - expected).max() > 0.02


def test_phantom_actions_are_drawn_around_the_action():
    action = tf.constant(np.tile([[0.5, -2.0]], (50_000, 1)), tf.float32)
    drawn = smoothie_loss.around(action, tf.constant([0.25, 1e-4]), SEED)
    np.testing.assert_allclose(np.mean(drawn, axis=0), [0.5, -2.0], atol=0.01)
    np.testing.assert_allclose(np.std(drawn, axis=0), [0.5, 0.01], rtol=0.02)


def test_a_compatible_approximator_leaves_the_policys_update_as_it_is():
    """Eq. 21 and 22: with w least squares in the gradient and Hessian, Eq. 13 and 15 are exact."""
    rng = np.random.default_rng(0)
    features, theta = rng.normal(size=(50, 4)), rng.normal(size=4)
    # μ_θ(s) = θ · f(s), one dimension; Σ_φ(s) = exp(φ · h(s)).
    heads, phi = rng.normal(size=(50, 2)), rng.normal(size=2)
    mean, variance = features @ theta, np.exp(heads @ phi)
    by_theta, by_phi = features, variance[:, None] * heads

    def true_value(y):
        return tf.sin(y[:, 0] * np.linspace(0.5, 2.0, 50)) + 0.1 * y[:, 0] ** 3

    at = tf.constant(mean[:, None])
    gradient, curvature = (
        found[:, 0].numpy() for found in smoothie_loss.derivatives(true_value, at)
    )
    first, *_ = np.linalg.lstsq(by_theta, gradient, rcond=None)
    # The Hessian of Eq. 22 is twice ∇Σᵀ w₂, where the condition has it once: w₂ is half as large.
    second, *_ = np.linalg.lstsq(2.0 * by_phi, curvature, rcond=None)

    def compatible(y):
        deviation = y[:, 0] - mean
        return 3.0 + deviation * (by_theta @ first) + deviation**2 * (by_phi @ second)

    found = [each[:, 0].numpy() for each in smoothie_loss.derivatives(compatible, at)]
    for of_q, of_truth, by_parameters in (
        (found[0], gradient, by_theta),
        (found[1], curvature, by_phi),
    ):
        # Not the same in each state, and the same update all the same.
        assert np.abs(of_q - of_truth).max() > 0.1
        np.testing.assert_allclose(by_parameters.T @ of_q, by_parameters.T @ of_truth, rtol=1e-6)
