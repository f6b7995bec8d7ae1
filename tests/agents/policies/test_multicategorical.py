import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from quinoa.agents.policies import MultiCategorical, MultiCategoricalPolicy
from tests.agents.policies import densities


def grid(num_bins, dims):
    """All actions, [num_bins ** dims, dims], and their bins."""
    bins = np.array(list(itertools.product(range(num_bins), repeat=dims)))
    return (-1.0 + 2.0 * bins / (num_bins - 1)).astype(np.float32), bins


def logits(dims, num_bins, seed=0):
    return np.random.default_rng(seed).normal(size=(dims, num_bins)).astype(np.float32)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("num_bins", [2, 11])
def test_mass_is_the_product_of_softmaxes_and_sums_to_one(dims, num_bins):
    actions, bins = grid(num_bins, dims)
    values = logits(dims, num_bins)
    batch = np.broadcast_to(values, [len(actions), dims, num_bins])
    log_prob = MultiCategorical(tf.constant(batch)).log_prob(actions)
    expected = special.log_softmax(values.astype(np.float64), axis=-1)[np.arange(dims), bins]
    np.testing.assert_allclose(log_prob, expected.sum(axis=-1), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.sum(np.exp(np.float64(log_prob))), 1.0, atol=1e-5)


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("seed", range(2))
def test_samples_agree_with_mass(dims, seed):
    actions, bins = grid(11, dims)
    policy = densities.make_policy("multicategorical", dims, seed=seed)
    state = densities.observation(seed)
    mass = np.zeros([11] * dims)
    mass[tuple(bins.T)] = np.exp(densities.log_prob_at(policy, state)(actions))
    np.testing.assert_allclose(mass.sum(), 1.0, atol=1e-5)
    samples = policy(densities.repeated(state, 20_000)).sample(seed=tf.constant([seed, 1])).numpy()
    drawn = np.round((samples + 1.0) * 5.0).astype(int)
    np.testing.assert_allclose(samples, -1.0 + drawn / 5.0, atol=1e-6)
    counts = np.zeros([11] * dims)
    np.add.at(counts, tuple(drawn.T), 1)
    assert densities.p_value(counts, mass) > 1e-3
    assert densities.p_value(counts, mass[::-1]) < 1e-6


def test_an_action_off_the_grid_counts_as_the_nearest_bin():
    distribution = MultiCategorical(tf.constant(logits(1, 11)[None]))
    at_bins = distribution.log_prob(grid(11, 1)[0][:, None]).numpy().ravel()
    assert len(set(at_bins)) == 11
    for offset in (-0.09, -1e-6, 1e-6, 0.09):
        nudged = np.clip(grid(11, 1)[0] + offset, -1.0, 1.0).astype(np.float32)
        np.testing.assert_array_equal(
            distribution.log_prob(nudged[:, None]).numpy().ravel(), at_bins
        )


def test_entropy_is_that_of_the_masses():
    distribution = MultiCategorical(tf.constant(logits(2, 5)[None]))
    log_prob = np.float64(distribution.log_prob(grid(5, 2)[0][:, None])).ravel()
    expected = -np.sum(np.exp(log_prob) * log_prob)
    np.testing.assert_allclose(distribution.entropy(), [expected], rtol=1e-5)


def test_mode_is_the_likeliest_action():
    for seed in range(5):
        distribution = MultiCategorical(tf.constant(logits(2, 11, seed)[None]))
        log_prob = distribution.log_prob(grid(11, 2)[0][:, None]).numpy().ravel()
        expected = grid(11, 2)[0][np.argmax(log_prob)]
        np.testing.assert_allclose(distribution.mode()[0], expected, atol=1e-6)


def test_gradient_is_that_of_a_softmax():
    values = tf.constant(logits(2, 5)[None])
    action, bins = grid(5, 2)
    with tf.GradientTape() as tape:
        tape.watch(values)
        log_prob = tf.reduce_sum(MultiCategorical(values).log_prob(action[7:8]))
    expected = np.eye(5)[bins[7]] - special.softmax(values[0], axis=-1)
    np.testing.assert_allclose(tape.gradient(log_prob, values)[0], expected, atol=1e-6)


def test_logits_of_infinite_difference_are_finite_where_there_is_mass():
    distribution = MultiCategorical(tf.constant([[[0.0, 1e30]]]))
    np.testing.assert_allclose(distribution.log_prob([[1.0]]), [0.0])
    assert np.isfinite(distribution.log_prob([[-1.0]])[0])


def test_policy_has_the_paper_s_outputs():
    """n · d logits: one hidden layer of 16 and the last one of 11 · 2."""
    policy = MultiCategoricalPolicy(3, 2, hidden_sizes=(16,), num_bins=11)
    assert sorted(tuple(v.shape) for v in policy.variables) == [(3, 16), (16,), (16, 22), (22,)]


def test_a_single_bin_is_refused():
    """It would be at no place: bins go from -1 to 1."""
    with pytest.raises(ValueError, match="num_bins is 1, but must be at least 2"):
        MultiCategorical(tf.zeros([3, 2, 1]))
    with pytest.raises(ValueError, match="num_bins is 1, but must be at least 2"):
        MultiCategoricalPolicy(3, 2, hidden_sizes=(8,), num_bins=1)
