"""The normaliser and the peak of a Gaussian flow are exact, and it acts without dropout."""

import math

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents.policies import squash
from quinoa.agents.policies.couplings import Additive
from quinoa.agents.policies.gaussian_flow import GaussianFlowPolicy, LogStddev, log_normalizer
from tests.agents.policies import densities

DIMS = pytest.mark.parametrize("dims", [1, 2, 3, 6])
SEEDS = pytest.mark.parametrize("seed", range(3))
SEED = tf.constant([3, 4])
EDGES = np.array([-1.0, 0.0, 1.0])


def make(dims, seed=0) -> GaussianFlowPolicy:
    policy = densities.make_policy("gaussian_flow", dims, seed=seed)
    assert isinstance(policy, GaussianFlowPolicy)
    return policy


def states(number=16):
    return tf.random.stateless_normal([number, densities.OBSERVATION_SIZE], [1, 2])


@pytest.mark.parametrize("dims", [1, 2])
@SEEDS
def test_the_normaliser_is_the_integral_of_the_energy_over_the_box(dims, seed):
    policy, state = make(dims, seed), densities.observation(seed)

    def energy(actions):
        actions = actions.astype(np.float32)
        flow = policy(densities.repeated(state, len(actions)))
        return flow.energy(actions).numpy().astype(np.float64)

    integral = densities.cell_masses(energy, EDGES, dims).sum()
    found = policy(densities.repeated(state, 1)).log_normalizer()
    np.testing.assert_allclose(found, [np.log(integral)], rtol=0, atol=1e-3)
    # It follows from the deviations alone, and is that of a Gaussian.
    log_stddev = policy.log_stddev(densities.repeated(state, 1))
    np.testing.assert_array_equal(found, log_normalizer(log_stddev))
    expected = np.sum(log_stddev) + 0.5 * dims * math.log(2.0 * math.pi)
    np.testing.assert_allclose(found, [expected], rtol=1e-5)


@DIMS
def test_the_density_is_the_energy_over_its_normaliser(dims):
    flow = make(dims)(states())
    many = flow.sample(5, seed=SEED)
    assert flow.energy(many).shape == [5, 16]
    expected = flow.energy(many) - flow.log_normalizer()
    np.testing.assert_allclose(flow.log_prob(many), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(flow.energy(many)[2], flow.energy(many[2]), rtol=1e-5, atol=1e-5)


@DIMS
def test_couplings_leave_volumes_as_they_are(dims):
    flow = make(dims)(states())
    points = tf.random.stateless_normal([16, dims], [5, 6])
    images, jacobians = densities.jacobians(lambda x: flow.push(x)[0], points)
    assert np.abs(images - points).max() > 0.1
    np.testing.assert_allclose(np.linalg.det(jacobians), 1.0, rtol=1e-4)
    np.testing.assert_array_equal(flow.push(points)[1], np.zeros(16))
    back, log_det = flow.pull(tf.constant(images))
    np.testing.assert_allclose(back, points, atol=1e-5)
    np.testing.assert_array_equal(log_det, np.zeros(16))


@pytest.mark.parametrize("dims", [1, 2])
@SEEDS
def test_the_mode_is_where_the_density_of_atanh_of_the_action_is_highest(dims, seed):
    policy, state = make(dims, seed), densities.observation(seed)
    axis = np.linspace(-5.0, 5.0, 4001 if dims == 1 else 401).astype(np.float32)
    y = np.stack(np.meshgrid(*[axis] * dims, indexing="ij"), axis=-1).reshape(-1, dims)
    of_actions = densities.log_prob_at(policy, state)(np.tanh(y))
    of_y = of_actions + squash.log_slope(y).numpy().sum(axis=-1)
    mode = np.arctanh(policy(densities.repeated(state, 1)).mode().numpy())
    np.testing.assert_allclose(y[of_y.argmax()], mode[0], atol=axis[1] - axis[0])
    # No point is denser, and those of the grid come close.
    slope = squash.log_slope(mode).numpy().sum()
    at_mode = densities.log_prob_at(policy, state)(np.tanh(mode)) + slope
    assert -0.1 < of_y.max() - at_mode < 1e-3


@SEEDS
def test_the_density_of_the_action_itself_peaks_further_out(seed):
    """In one dimension at y = t + 2 σ² tanh(y), where t is the mode's y."""
    policy, state = make(1, seed), densities.observation(seed)
    row = densities.repeated(state, 1)
    shift = np.arctanh(policy(row).mode().numpy().item())
    variance = np.exp(2.0 * policy.log_stddev(row).numpy().item())
    assert 2.0 * variance < 1.0  # Else it may have two peaks.
    y = np.linspace(-5.0, 5.0, 200_001)
    peak = y[densities.log_prob_at(policy, state)(np.tanh(y)[:, None]).argmax()]
    assert abs(peak) > abs(shift)
    assert peak == pytest.approx(shift + 2.0 * variance * np.tanh(peak), abs=1e-2)


def test_at_the_start_it_is_a_gaussian_in_the_middle_that_is_nearly_as_wide_as_it_may_be():
    policy = densities.make_gaussian_flow(2)
    flow = policy(10.0 * states())
    np.testing.assert_array_equal(flow.mode(), np.zeros([16, 2]))
    low, high = densities.LOG_STDDEV_BOUNDS
    expected = low + 0.95 * (high - low)
    np.testing.assert_allclose(policy.log_stddev(states()), np.full([16, 2], expected), rtol=1e-5)


@pytest.mark.parametrize(
    "bounds, expected", [((-5.0, -0.3), -0.535), ((-5.0, 2.0), -0.43), ((-1.0, 2.0), -0.43)]
)
def test_at_the_start_actions_are_near_uniform_however_wide_it_may_become(bounds, expected):
    log_stddev = LogStddev(densities.OBSERVATION_SIZE, 2, hidden_sizes=(8,), bounds=bounds)
    start = log_stddev(10.0 * states())
    np.testing.assert_allclose(start, np.full([16, 2], expected), rtol=1e-5)
    action = np.tanh(np.exp(start) * np.random.default_rng(0).standard_normal([5000, 16, 2]))
    # Of uniform actions a tenth is that near to the edge, and with σ = 5 three quarters.
    assert 0.005 < np.mean(np.abs(action) > 0.9) < 0.1


@pytest.mark.parametrize("bounds, start", [((0.0, 2.0), 0.1), ((-5.0, -4.0), -4.05)])
def test_where_its_bounds_exclude_that_start_it_is_just_within_the_nearer_one(bounds, start):
    log_stddev = LogStddev(3, 2, hidden_sizes=(8,), bounds=bounds)(tf.ones([1, 3]))
    np.testing.assert_allclose(log_stddev, np.full([1, 2], start), rtol=1e-5)


def test_no_parameters_move_a_sample_far_over_the_edge():
    """Two couplings a dimension move it by 4 at most: few actions are on the clip."""
    policy = densities.make_gaussian_flow(2)
    for variable in policy.variables:
        if "coupling" in variable.name:
            variable.assign(1e4 * tf.ones_like(variable))
    assert densities.MAX_SHIFT == 2.0
    flow = policy(tf.ones([1, densities.OBSERVATION_SIZE]))
    np.testing.assert_allclose(flow.mode(), np.full([1, 2], np.tanh(4.0)), rtol=1e-6)
    assert squash.clipped_share(flow.sample(20_000, seed=SEED)) < 0.01


class TestDropout:
    def test_it_follows_from_the_seed_alone(self):
        policy, action = make(3), make(3)(states()).sample(seed=SEED)
        with_it, again, other = (
            policy.with_dropout(states(), 0.5, seed).energy(action)
            for seed in (SEED, SEED, SEED + 1)
        )
        np.testing.assert_array_equal(with_it, again)
        assert np.all(with_it != other)

    def test_it_is_off_where_the_policy_acts_and_at_a_rate_of_zero(self):
        policy = make(3)
        action = policy(states()).sample(seed=SEED)
        without = policy(states()).energy(action)
        np.testing.assert_array_equal(without, policy(states()).energy(action))
        none = policy.with_dropout(states(), 0.0, SEED).energy(action)
        np.testing.assert_array_equal(without, none)
        assert np.all(without != policy.with_dropout(states(), 0.5, SEED).energy(action))

    def test_the_normaliser_has_none(self):
        policy = make(3)
        dropped = policy.with_dropout(states(), 0.5, SEED).log_normalizer()
        np.testing.assert_array_equal(dropped, policy(states()).log_normalizer())


def test_additive_couplings_are_bounded_and_the_identity_at_zero():
    outputs = tf.constant([[0.0, 0.01, 1e4, -1e4]])
    x = tf.constant([[0.5, 0.5, 0.5, 0.5]])
    y, log_det = Additive(max_shift=2.0).transform(outputs).push(x)
    np.testing.assert_allclose(y, [[0.5, 0.51, 2.5, -1.5]], rtol=1e-6)
    np.testing.assert_array_equal(log_det, [0.0])
