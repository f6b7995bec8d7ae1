import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents.policies import FlowPolicy, squash
from quinoa.agents.policies.couplings import Affine, PiecewiseLinear
from tests.agents.policies import densities

KINDS = pytest.mark.parametrize("kind", densities.FLOWS)
DIMS = pytest.mark.parametrize("dims", [1, 2, 3, 6])


def states_and_actions(n, dims, seed=0):
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(n, densities.OBSERVATION_SIZE)).astype(np.float32)
    return tf.constant(states), tf.constant(rng.uniform(-0.99, 0.99, (n, dims)).astype(np.float32))


def in_coordinates(kind, actions):
    return densities.couplings(kind).from_action(actions)


@KINDS
@DIMS
def test_initial_flow_is_uniform(kind, dims):
    policy = densities.make_flow(kind, dims)
    states, actions = states_and_actions(256, dims)
    corners = np.sign(states_and_actions(256, dims, seed=1)[1])
    before = [variable.numpy() for variable in policy.variables]
    for initialised in (False, True):
        if initialised:
            policy.initialize(states, actions)
            assert any(np.any(a != b) for a, b in zip(before, policy.variables, strict=True))
        for points in (actions, corners):
            np.testing.assert_allclose(
                policy(10.0 * states).log_prob(points), -dims * np.log(2.0), rtol=0, atol=1e-5
            )


@KINDS
@DIMS
def test_samples_of_the_initial_flow_are_uniform(kind, dims):
    policy = densities.make_flow(kind, dims)
    samples = policy(densities.repeated(densities.observation(), 20_000)).sample(
        seed=tf.constant([3, 4])
    )
    for column in samples.numpy().T:
        counts, _ = np.histogram(column, bins=20, range=(-1.0, 1.0))
        assert densities.p_value(counts, np.full(20, 0.05)) > 1e-3


@KINDS
@DIMS
def test_push_and_pull_are_inverse(kind, dims):
    policy = densities.make_policy(kind, dims)
    states, actions = states_and_actions(256, dims)
    flow = policy(states)
    x = in_coordinates(kind, actions)
    pushed, log_det_push = flow.push(x)
    pulled, log_det_pull = flow.pull(pushed)
    assert np.max(np.abs(pushed - x)) > 0.1
    np.testing.assert_allclose(pulled, x, atol=1e-4)
    np.testing.assert_allclose(log_det_pull, -log_det_push, atol=1e-4)


@KINDS
@DIMS
@pytest.mark.parametrize("direction", ["push", "pull"])
def test_log_determinant_is_that_of_the_jacobian(kind, dims, direction):
    policy = densities.make_policy(kind, dims)
    states, actions = states_and_actions(64, dims)
    points = in_coordinates(kind, actions)
    _, log_det = getattr(policy(states), direction)(points)
    _, jacobians = densities.jacobians(
        lambda points: getattr(policy(states), direction)(points)[0], points
    )
    _, expected = np.linalg.slogdet(jacobians)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(log_det, expected, rtol=1e-4, atol=1e-4)

    # And the Jacobian itself, column by column, by differences. A map that is linear in pieces has
    # a kink between the two points now and then.
    h, kinks = (1e-3, 0.05) if kind == "piecewise_flow" else (1e-2, 0.0)
    for j in range(dims):
        step = h * tf.one_hot(j, dims)
        ahead, _ = getattr(policy(states), direction)(points + step)
        behind, _ = getattr(policy(states), direction)(points - step)
        column = (ahead - behind) / (2.0 * h)
        close = np.isclose(jacobians[:, :, j], column, rtol=1e-2, atol=1e-2).all(axis=1)
        assert np.mean(~close) <= kinks


@KINDS
@DIMS
def test_log_prob_is_the_change_of_variables_from_the_uniform_distribution(kind, dims):
    """log p(a) = log 2⁻ᴬ + log |det du/da| where u is the base point in the box."""
    policy = densities.make_policy(kind, dims)
    states, actions = states_and_actions(64, dims)
    flow = policy(states)
    base, jacobians = densities.jacobians(
        lambda actions: densities.couplings(kind).to_action(
            flow.pull(in_coordinates(kind, actions))[0]
        ),
        actions,
    )
    _, log_det = np.linalg.slogdet(jacobians)
    expected = log_det - dims * np.log(2.0)
    # Where the base point is next to the edge, the tape's 1 - tanh² has few digits left.
    inside = np.all(np.abs(base) < 0.999, axis=1)
    assert inside.sum() > 32
    np.testing.assert_allclose(
        flow.log_prob(actions).numpy()[inside], expected[inside], rtol=1e-3, atol=1e-3
    )


@KINDS
def test_couplings_move_every_dimension_and_see_the_others(kind):
    policy = densities.make_policy(kind, 4)
    states, actions = states_and_actions(64, 4)
    points = in_coordinates(kind, actions)
    _, jacobians = densities.jacobians(lambda points: policy(states).push(points)[0], points)
    dependence = np.abs(jacobians).max(axis=0)
    expected = np.ones([4, 4], np.bool_)
    if kind == "piecewise_flow":  # Its one coupling of the last two dimensions sees the first two.
        expected[2, 3] = expected[3, 2] = False
    np.testing.assert_array_equal(dependence > 1e-4, expected)


def test_log_prob_of_affine_couplings_is_bounded_however_extreme_the_parameters():
    """Bounded couplings bound how sharp and how far off a density can be."""
    policy = densities.make_policy("flow", 2)
    for variable in policy.variables:
        variable.assign(1e3 * variable)
    states, actions = states_and_actions(256, 2)
    edges = np.sign(actions)
    for points in (actions, edges):
        assert np.max(np.abs(policy(states).log_prob(points))) < 200.0


@pytest.mark.parametrize("num_couplings", [1, 2, 5, 8])
def test_bounded_couplings_keep_the_mass_inside_however_saturated(num_couplings):
    """As the tanh-Gaussian does; of plain ones a third of the actions is on the clip."""
    shares = {}
    for bounded in (True, False):
        bounds = {"max_log_scale": 0.7, "max_shift": 2.0}
        kind = (
            Affine.bounded(num_couplings=num_couplings, **bounds) if bounded else Affine(**bounds)
        )
        tf.random.set_seed(0)
        policy = FlowPolicy(3, 2, couplings=kind, num_couplings=num_couplings, hidden_sizes=(8,))
        for _, network in policy._conditioners:
            network._output.b.assign(1e4 * tf.ones_like(network._output.b))
        flow = policy(tf.zeros([1, 3]))
        actions = flow.sample(20_000, seed=tf.constant([1, 2]))
        shares[bounded] = float(squash.clipped_share(actions))
    # Beyond y = 7 are those with e^0.5 atanh(u) + 4 > 7: (1 − tanh(1.82)) / 2.
    assert shares[True] < 0.03
    if num_couplings >= 5:
        assert shares[False] > 0.3


@KINDS
def test_two_flows_of_the_same_parameters_are_the_same(kind):
    one, two = densities.make_policy(kind, 3), densities.make_flow(kind, 3)
    states, actions = states_and_actions(16, 3)
    assert np.any(one(states).log_prob(actions) != two(states).log_prob(actions))
    for source, destination in zip(one.variables, two.variables, strict=True):
        destination.assign(source)
    np.testing.assert_array_equal(one(states).log_prob(actions), two(states).log_prob(actions))


def test_one_piecewise_linear_coupling_is_a_histogram():
    """In one dimension the density is a softmax over the bins, divided by their width."""
    policy = densities.make_policy("piecewise_flow", 1)
    states = densities.repeated(densities.observation(), 4)
    middles = tf.constant([[-0.75], [-0.25], [0.25], [0.75]])
    log_density = policy(states).log_prob(middles).numpy()
    within = policy(states).log_prob(middles + 0.2).numpy()
    np.testing.assert_allclose(log_density, within, rtol=1e-6)
    assert np.ptp(log_density) > 0.1
    assert np.sum(0.5 * np.exp(log_density)) == pytest.approx(1.0, abs=1e-6)


def test_bins_of_vanishing_probability_are_finite_and_never_drawn():
    """A probability that float32 cannot hold beside 1 keeps its logarithm."""
    logits = tf.constant([[0.0, -200.0, 0.0, -40.0]])
    transform = PiecewiseLinear(num_bins=4).transform(logits)
    y = tf.constant([[-0.3]])
    x, log_det = transform.pull(y)
    assert np.all(np.abs(x) <= 1.0)
    np.testing.assert_allclose(log_det, -200.0 - np.log(2.0) + np.log(4.0), rtol=1e-5)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = tf.reduce_sum(PiecewiseLinear(num_bins=4).transform(logits).pull(y)[1])
    assert np.all(np.isfinite(tape.gradient(loss, logits)))
    grid = tf.reshape(tf.linspace(-1.0, 1.0, 1001), [-1, 1])
    many = PiecewiseLinear(num_bins=4).transform(tf.repeat(logits, 1001, axis=0))
    images, _ = many.push(grid)
    assert np.all((images <= -0.5) | ((images >= 0.0) & (images <= 0.5)) | (images == 1.0))
