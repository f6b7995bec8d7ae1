import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from tensorflow_probability import distributions as tfd

from quinoa.agents import graphs
from quinoa.agents.policies import TanhGaussianPolicy
from quinoa.agents.policies.gaussian import DiagonalGaussian
from tests.agents.policies import densities


def policy_of(mean, raw_scale):
    """The policy whose network answers this whatever the state."""
    policy = TanhGaussianPolicy(densities.OBSERVATION_SIZE, len(mean), hidden_sizes=())
    weights, bias = sorted(policy.variables, key=lambda variable: -variable.shape.rank)
    weights.assign(tf.zeros_like(weights))
    bias.assign([*mean, *raw_scale])
    return policy(tf.zeros([1, densities.OBSERVATION_SIZE]))


def test_log_prob_is_that_of_tanh_of_a_gaussian():
    distribution = policy_of([0.5, -1.0], [0.2, -0.3])
    # μ runs from -4 to 4, log σ from -3.5 to 0.5.
    mean = 4.0 * np.tanh([0.125, -0.25])
    stddev = np.exp(-3.5 + 2.0 * (np.tanh([0.2, -0.3]) + 1.0))
    y = np.array([0.3, -1.2])
    slope = 1.0 - np.tanh(y) ** 2
    expected = np.sum(stats.norm(mean, stddev).logpdf(y) - np.log(slope))
    action = np.tanh(y).astype(np.float32)[None]
    np.testing.assert_allclose(distribution.log_prob(action), [expected], rtol=1e-5)


def test_deviation_stays_between_its_bounds():
    for raw, expected in [(-1e4, np.exp(-3.5)), (1e4, np.exp(0.5))]:
        distribution = policy_of([0.0], [raw])
        # log N(0; 0, σ) = -log σ - log √2π, and tanh has slope 1 at 0.
        stddev = np.exp(-distribution.log_prob([[0.0]])) / np.sqrt(2.0 * np.pi)
        np.testing.assert_allclose(stddev, [expected], rtol=1e-4)


def test_mode_is_the_image_of_the_mean():
    np.testing.assert_allclose(
        policy_of([0.5, -2.0], [0.0, 0.0]).mode(),
        [np.tanh(4.0 * np.tanh([0.125, -0.5]))],
        rtol=1e-6,
    )


def test_densities_are_the_policys_own_even_at_the_edge_of_the_box():
    """However far out the network wants to be, what is drawn is as likely as it is said to be."""
    distribution = policy_of([1e3], [1e3])
    samples = distribution.sample(20_000, seed=tf.constant([1, 2]))
    # E[1 / p(a)] over the samples is the size of the support, 2, less what clipping takes.
    size = np.mean(np.exp(-distribution.log_prob(samples)))
    assert 1.5 < size < 2.1


def test_mode_of_a_narrow_gaussian_is_denser_than_most_samples():
    distribution = policy_of([0.5, -1.0], [-1.0, -1.0])
    samples = distribution.sample(1000, seed=tf.constant([1, 2]))
    denser = distribution.log_prob(samples) > distribution.log_prob(distribution.mode())
    assert np.mean(denser) < 0.1


def test_starts_near_a_deviation_of_one_and_nearly_uniform():
    tf.random.set_seed(0)
    policy = TanhGaussianPolicy(densities.OBSERVATION_SIZE, 3, hidden_sizes=(64, 64))
    states = tf.random.stateless_normal([2000, densities.OBSERVATION_SIZE], [3, 4])
    action, log_prob = policy(states).experimental_sample_and_log_prob(seed=tf.constant([1, 2]))
    # A uniform action has log 2 = 0.69 nats a dimension, tanh of N(0, 1) 0.67;
    # means vary with the state.
    assert -np.mean(log_prob) / 3 > 0.45
    assert 0.5 < np.std(action) < 0.7  # Of a uniform one 0.58.
    deviations = policy(states)._distribution.stddev()
    assert 0.8 < np.mean(deviations) < 1.2


@pytest.mark.parametrize("batch_shape", [(4,), (2, 3)])
@pytest.mark.parametrize("sample_shape", [(), 3, (2, 3)])
def test_the_gaussian_itself_is_tfps_with_the_same_draws(batch_shape, sample_shape):
    rng, seed = np.random.default_rng(0), tf.constant([1, 2])
    mean = tf.constant(rng.normal(size=(*batch_shape, 5)), tf.float32)
    stddev = tf.constant(rng.uniform(0.1, 2.0, (*batch_shape, 5)), tf.float32)
    ours, theirs = DiagonalGaussian(mean, stddev), tfd.MultivariateNormalDiag(mean, stddev)
    for name in ("dtype", "batch_shape", "event_shape", "reparameterization_type"):
        assert getattr(ours, name) == getattr(theirs, name)
    np.testing.assert_array_equal(ours.batch_shape_tensor(), batch_shape)
    np.testing.assert_array_equal(ours.event_shape_tensor(), [5])
    y = theirs.sample(sample_shape, seed=seed)
    np.testing.assert_array_equal(ours.sample(sample_shape, seed=seed), y)
    np.testing.assert_allclose(ours.log_prob(y), theirs.log_prob(y), rtol=1e-5)
    np.testing.assert_array_equal(ours.mode(), theirs.mode())


def test_in_a_graph_the_gaussian_draws_for_any_size_of_batch_in_known_shapes():
    sizes = []

    def draw(mean):
        y = DiagonalGaussian(mean, tf.ones_like(mean)).sample(3, seed=tf.constant([1, 2]))
        sizes.append(y.shape.as_list())
        return y

    assert graphs.trace(draw, tf.TensorSpec([None, 2]))(tf.zeros([7, 2])).shape == [3, 7, 2]
    graphs.trace(draw, tf.TensorSpec([4, 2]))
    assert sizes[-1] == [3, 4, 2]
