import numpy as np
import tensorflow as tf
from scipy import special

from quinoa.agents import networks
from quinoa.agents.policies import CategoricalPolicy
from tests.agents.policies import densities


def logits_of(policy, states):
    """What its network gives, by hand; without layer normalisation."""
    x = states.astype(np.float64)
    for index, layer in enumerate(networks.layers_of(policy._network)):
        x = np.maximum(x, 0.0) if index else x
        x = x @ layer.weights.numpy() + layer.biases.numpy()
    return x


def states(number=6):
    size = (number, densities.OBSERVATION_SIZE)
    return np.random.default_rng(1).normal(size=size).astype(np.float32)


def test_probabilities_mode_and_entropy_are_those_of_a_softmax():
    policy = densities.make_finite("categorical", 5)
    distribution = policy(tf.constant(states()))
    expected = special.log_softmax(logits_of(policy, states()), axis=-1)
    assert (distribution.batch_shape, distribution.event_shape) == ([6], [])
    for action in range(5):
        log_prob = distribution.log_prob(np.full(6, action, np.int32))
        np.testing.assert_allclose(log_prob, expected[:, action], rtol=1e-5, atol=1e-5)
    mode = distribution.mode()
    assert mode.dtype == tf.int32
    np.testing.assert_array_equal(mode, expected.argmax(axis=-1))
    entropy = -np.sum(np.exp(expected) * expected, axis=-1)
    np.testing.assert_allclose(distribution.entropy(), entropy, rtol=1e-4)


def test_samples_are_of_these_probabilities_and_follow_from_the_seed():
    policy = densities.make_finite("categorical", 5)
    distribution = policy(tf.constant(states(1)))
    drawn, again, other = (
        distribution.sample(40_000, seed=tf.constant([seed, 2])).numpy() for seed in (1, 1, 3)
    )
    assert drawn.dtype == np.int32 and drawn.shape == (40_000, 1)
    np.testing.assert_array_equal(drawn, again)
    assert np.any(drawn != other)
    shares = np.bincount(drawn[:, 0], minlength=5) / len(drawn)
    expected = special.softmax(logits_of(policy, states(1))[0])
    np.testing.assert_allclose(shares, expected, atol=0.012)
    # Which a uniform policy would not be.
    assert np.ptp(expected) > 0.1


def test_the_gradient_is_that_of_a_softmax():
    policy = CategoricalPolicy(densities.OBSERVATION_SIZE, 4, hidden_sizes=())
    state, action = states(1), np.array([2], np.int32)
    with tf.GradientTape() as tape:
        log_prob = tf.reduce_sum(policy(tf.constant(state)).log_prob(action))
    biases = networks.layers_of(policy._network)[0].biases
    expected = np.eye(4)[2] - special.softmax(logits_of(policy, state)[0])
    np.testing.assert_allclose(tape.gradient(log_prob, biases), expected, atol=1e-6)
