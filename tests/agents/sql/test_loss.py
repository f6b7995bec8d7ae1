"""The paper's equations by hand, by closed forms, and on distributions that are known."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from quinoa.agents.policies import SamplerPolicy
from quinoa.agents.sql import loss as sql_loss

SEED = tf.constant([1, 2])


def test_the_soft_value_is_the_integral_whatever_the_proposals():
    """Of a quadratic Q, whose integral is known, by uniform and by normal proposals (Eq. 5, 10)."""
    alpha, width = 0.5, 0.2
    rng = np.random.default_rng(0)
    expected = 2.0 + alpha * np.log(width * np.sqrt(2.0 * np.pi * alpha))
    uniform = rng.uniform(-4.0, 4.0, size=(1, 400_000))
    normal = rng.normal(0.1, 0.4, size=(1, 400_000))
    of_normal = tfd.Normal(0.1, 0.4).log_prob(normal.astype(np.float32))
    for a, log_q in ((uniform, np.full(uniform.shape, -np.log(8.0))), (normal, of_normal.numpy())):
        q = 2.0 - 0.5 * (a / width) ** 2
        found = sql_loss.soft_value(
            tf.constant(q, tf.float32), tf.constant(log_q, tf.float32), alpha
        )
        np.testing.assert_allclose(found, [expected], atol=5e-3)


def test_proposals_of_the_policy_itself_need_one_sample():
    """q = exp((Q − V)/α) makes every term of Eq. 10 the same."""
    q = tf.constant([[1.0, -2.0, 5.0]])
    value, alpha = 0.7, 0.3
    found = sql_loss.soft_value(q[:, :1], (q[:, :1] - value) / alpha, alpha)
    np.testing.assert_allclose(found, [value], rtol=1e-5)
    found = sql_loss.soft_value(q, (q - value) / alpha, alpha)
    np.testing.assert_allclose(found, [value], rtol=1e-5)


def test_soft_q_iteration_has_its_fixed_point():
    """Eq. 8 and 9 on a table, with every action as the proposals (Theorem 3)."""
    rng = np.random.default_rng(0)
    states, actions, alpha, discount = 4, 5, 0.3, 0.8
    reward = tf.constant(rng.normal(size=(states, actions)), tf.float32)
    transition = tf.constant(rng.dirichlet(np.ones(states), (states, actions)), tf.float32)
    # Each action once, so the density of a proposal is 1 over their number.
    log_q = tf.fill([states, actions], -np.float32(np.log(actions)))

    def backup(q):
        value = sql_loss.soft_value(q, log_q, alpha)
        return sql_loss.target_q(reward, discount, tf.linalg.matvec(transition, value))

    first, other = tf.zeros([states, actions]), tf.fill([states, actions], 9.0)
    # A contraction (A.2).
    assert tf.reduce_max(abs(backup(first) - backup(other))) <= discount * 9.0 + 1e-5
    for _ in range(150):
        first, other = backup(first), backup(other)
    np.testing.assert_allclose(first, other, atol=1e-4)
    # The policy of the fixed point (Eq. 6) has exactly this value, entropy included (Eq. 4).
    q = first.numpy().astype(np.float64)
    value = alpha * np.log(np.sum(np.exp(q / alpha), axis=1))
    policy = np.exp((q - value[:, None]) / alpha)
    np.testing.assert_allclose(policy.sum(axis=1), 1.0, rtol=1e-6)
    entropy = -np.sum(policy * np.log(policy), axis=1)
    of_policy = np.einsum("sa,sat->st", policy, transition.numpy())
    gain = np.sum(policy * reward.numpy(), axis=1) + alpha * entropy
    exact = np.linalg.solve(np.eye(states) - discount * of_policy, gain)
    np.testing.assert_allclose(value, exact, atol=1e-3)


def test_the_kernel_is_a_gaussian_of_the_median_and_its_gradient_is_its_own():
    rng = np.random.default_rng(0)
    particles, moved = (tf.constant(rng.normal(size=(3, n, 2)), tf.float32) for n in (5, 4))
    with tf.GradientTape() as tape:
        tape.watch(particles)
        value, gradient = sql_loss.kernel(particles, moved)
        # The width does not move with the particles.
        squared = tf.reduce_sum(tf.square(particles[:, :, None] - moved[:, None]), axis=-1)
        median = np.sort(squared.numpy().reshape(3, -1), axis=1)[:, 10]
        fixed = tf.exp(-squared / (median / (2.0 * np.log(6.0)))[:, None, None])
    np.testing.assert_allclose(value, fixed, rtol=1e-4)
    np.testing.assert_allclose(
        tf.reduce_sum(gradient, axis=2), tape.gradient(fixed, particles), rtol=1e-3, atol=1e-5
    )


def test_particles_that_are_one_stay_finite():
    same = tf.ones([2, 4, 3])
    direction = sql_loss.stein_direction(same, same, tf.ones([2, 4, 3]), 0.5)
    np.testing.assert_allclose(direction, 1.0, rtol=1e-5)


@pytest.mark.parametrize("repels", [True, False])
def test_the_direction_is_equation_13_by_hand(repels):
    """Two particles and one that is moved, in one dimension; α stands before the kernel's term."""
    particles, moved = tf.constant([[[0.0], [2.0]]]), tf.constant([[[1.0]]])
    gradient, alpha = tf.constant([[[3.0], [-1.0]]]), 0.5
    # Both are at the distance 1, which is the median: h = 1 / (2 log 3), and κ = e^{-1/h} = 1/9.
    h = 1.0 / (2.0 * np.log(3.0))
    first = (3.0 + alpha * repels * (2.0 / h)) / 9.0
    second = (-1.0 - alpha * repels * (2.0 / h)) / 9.0
    found = sql_loss.stein_direction(particles, moved, gradient, alpha, repels=repels)
    np.testing.assert_allclose(found, [[[0.5 * (first + second)]]], rtol=1e-5)


def test_particles_repel_each_other_by_the_kernels_gradient_alone():
    particles = tf.constant([[[-0.1], [0.1]]])
    none = tf.zeros_like(particles)
    direction = sql_loss.stein_direction(particles, particles, none, 1.0)
    assert direction[0, 0, 0] < 0 < direction[0, 1, 0]
    still = sql_loss.stein_direction(particles, particles, none, 1.0, repels=False)
    assert not np.any(still != 0)


def test_the_samplers_loss_has_the_direction_as_its_gradient():
    moved, direction = tf.Variable(tf.ones([2, 3, 2])), tf.reshape(tf.range(12.0), [2, 3, 2])
    with tf.GradientTape() as tape:
        loss = sql_loss.sampler_loss(direction, moved)
    np.testing.assert_allclose(tape.gradient(loss, moved), -direction / 6.0, rtol=1e-6)


MODES = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 2.0], [0.0, -2.0]], np.float32)
WIDTH = 0.5


def log_mixture(y):
    """Of four equal Gaussians, [..., 2] → [...], but for a constant."""
    squared = tf.reduce_sum(tf.square(y[..., None, :] - MODES), axis=-1)
    return tf.reduce_logsumexp(-0.5 * squared / WIDTH**2, axis=-1)


@pytest.mark.parametrize(("repels", "steps"), [(True, 600), (False, 1000)])
def test_the_sampler_finds_all_four_modes_of_a_mixture_and_the_map_variant_not_their_spread(
    repels, steps
):
    """A quarter of the samples, ± 5 %, near each; their spread is the mixture's."""
    tf.random.set_seed(0)
    policy, alpha = SamplerPolicy(1, 2, hidden_sizes=(64, 64)), 2.0
    optimizer = tf.keras.optimizers.legacy.Adam(3e-3)
    state = tf.zeros([1, 1])

    def step(seed):
        drawn = policy.draw(state, 200, seed)
        with tf.GradientTape() as tape:
            fixed = tf.stop_gradient(drawn[:, :100])
            tape.watch(fixed)
            value = alpha * log_mixture(fixed)
        gradient = tape.gradient(value, fixed)
        with tf.GradientTape() as tape:
            moved = policy.draw(state, 200, seed)[:, 100:]
            direction = sql_loss.stein_direction(fixed, moved, gradient, alpha, repels=repels)
            loss = sql_loss.sampler_loss(direction, moved)
        variables = policy.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    traced = tf.function(step, autograph=False)
    for i in range(steps):
        traced(tf.constant([i, 7], tf.int32))
    y = policy.draw(state, 4000, SEED)[0].numpy()
    distances = np.linalg.norm(y[:, None] - MODES, axis=-1)
    shares = np.bincount(distances.argmin(axis=1), minlength=4) / len(y)
    around = np.mean(distances.min(axis=1) ** 2)
    if repels:
        np.testing.assert_allclose(shares, 0.25, atol=0.05)
        # E|y − mode|² is two dimensions of WIDTH²; the way from one mode to another is seldom.
        assert 0.6 * 2.0 * WIDTH**2 < around < 1.5 * 2.0 * WIDTH**2, around
    else:
        assert around < 0.3 * 2.0 * WIDTH**2, around
