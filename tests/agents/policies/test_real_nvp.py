import numpy as np
import pytest
import tensorflow as tf

from agents.policies import squash
from tests.agents.policies import densities

DIMS = pytest.mark.parametrize("dims", [1, 2, 3, 6])


def states_and_actions(n, dims, seed=0):
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(n, densities.OBSERVATION_SIZE)).astype(np.float32)
    return tf.constant(states), tf.constant(rng.uniform(-0.99, 0.99, (n, dims)).astype(np.float32))


@DIMS
@pytest.mark.parametrize("initialised", [False, True])
def test_initial_flow_is_uniform(dims, initialised):
    policy = densities.make_flow(dims)
    states, actions = states_and_actions(256, dims)
    before = [variable.numpy() for variable in policy.variables]
    if initialised:
        policy.initialize(states, actions)
        assert any(np.any(a != b) for a, b in zip(before, policy.variables, strict=True))
    corners = np.sign(states_and_actions(256, dims, seed=1)[1])
    for points in (actions, corners):
        np.testing.assert_allclose(
            policy(10.0 * states).log_prob(points), -dims * np.log(2.0), rtol=0, atol=1e-5
        )


@DIMS
def test_samples_of_the_initial_flow_are_uniform(dims):
    policy = densities.make_flow(dims)
    samples = policy(densities.repeated(densities.observation(), 20_000)).sample(
        seed=tf.constant([3, 4])
    )
    for column in samples.numpy().T:
        counts, _ = np.histogram(column, bins=20, range=(-1.0, 1.0))
        assert densities.p_value(counts, np.full(20, 0.05)) > 1e-3


@DIMS
def test_push_and_pull_are_inverse(dims):
    policy = densities.make_policy("flow", dims)
    states, actions = states_and_actions(256, dims)
    flow = policy(states)
    y = squash.atanh(actions)
    pulled, log_det_pull = flow.pull(y)
    pushed, log_det_push = flow.push(pulled)
    assert np.max(np.abs(pulled - y)) > 0.1
    np.testing.assert_allclose(pushed, y, atol=1e-4)
    np.testing.assert_allclose(log_det_pull, -log_det_push, atol=1e-4)


@DIMS
@pytest.mark.parametrize("direction", ["push", "pull"])
def test_log_determinant_is_that_of_the_jacobian(dims, direction):
    policy = densities.make_policy("flow", dims)
    states, actions = states_and_actions(64, dims)
    points = squash.atanh(actions)
    with tf.GradientTape() as tape:
        tape.watch(points)
        images, log_det = getattr(policy(states), direction)(points)
    jacobians = tape.batch_jacobian(images, points).numpy().astype(np.float64)
    _, expected = np.linalg.slogdet(jacobians)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(log_det, expected, rtol=1e-4, atol=1e-4)

    # And the Jacobian itself, column by column, by differences.
    h = 1e-2
    for j in range(dims):
        step = h * tf.one_hot(j, dims)
        ahead, _ = getattr(policy(states), direction)(points + step)
        behind, _ = getattr(policy(states), direction)(points - step)
        column = (ahead - behind) / (2.0 * h)
        np.testing.assert_allclose(jacobians[:, :, j], column, rtol=1e-2, atol=1e-2)


@DIMS
def test_log_prob_is_the_change_of_variables_from_the_uniform_distribution(dims):
    """log p(a) = log 2⁻ᴬ + log |det du/da| where u is the base point in the box."""
    policy = densities.make_policy("flow", dims)
    states, actions = states_and_actions(64, dims)
    flow = policy(states)
    with tf.GradientTape() as tape:
        tape.watch(actions)
        base = tf.tanh(flow.pull(tf.atanh(actions))[0])
    _, log_det = np.linalg.slogdet(tape.batch_jacobian(base, actions).numpy())
    expected = log_det - dims * np.log(2.0)
    # Where the base point is next to the edge, the tape's 1 - tanh² has few digits left.
    inside = np.all(np.abs(base) < 0.999, axis=1)
    assert inside.sum() > 32
    np.testing.assert_allclose(
        flow.log_prob(actions).numpy()[inside], expected[inside], rtol=1e-3, atol=1e-3
    )


def test_couplings_move_every_dimension_and_see_the_others():
    policy = densities.make_policy("flow", 4)
    states, actions = states_and_actions(64, 4)
    points = squash.atanh(actions)
    with tf.GradientTape() as tape:
        tape.watch(points)
        images, _ = policy(states).push(points)
    dependence = np.abs(tape.batch_jacobian(images, points)).max(axis=0)
    assert np.all(dependence > 1e-4)


def test_log_prob_is_bounded_however_extreme_the_parameters():
    """Bounded couplings bound how sharp and how far off a density can be."""
    policy = densities.make_policy("flow", 2)
    for variable in policy.variables:
        variable.assign(1e3 * variable)
    states, actions = states_and_actions(256, 2)
    edges = np.sign(actions)
    for points in (actions, edges):
        assert np.max(np.abs(policy(states).log_prob(points))) < 200.0


def test_two_flows_of_the_same_parameters_are_the_same():
    one, two = densities.make_policy("flow", 3), densities.make_flow(3)
    states, actions = states_and_actions(16, 3)
    assert np.any(one(states).log_prob(actions) != two(states).log_prob(actions))
    for source, destination in zip(one.variables, two.variables, strict=True):
        destination.assign(source)
    np.testing.assert_array_equal(one(states).log_prob(actions), two(states).log_prob(actions))
