import itertools

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents.policies import AutoregressivePolicy, MultiCategoricalPolicy
from quinoa.agents.policies.autoregressive import degrees
from tests.agents.fixtures import perturb

BINS, SIZE = 3, 3
STATES = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
SEED = tf.constant([0, 1])


def make(*, moved=0.7, seed=0):
    tf.random.set_seed(seed)
    policy = AutoregressivePolicy(2, SIZE, hidden_sizes=(8,), num_bins=BINS, num_units=10)
    perturb(policy.trainable_variables, moved, seed=seed)
    return policy


def all_actions():
    """Every action, float32 [n^A, A], in the order of its bins."""
    bins = np.array(list(itertools.product(range(BINS), repeat=SIZE)))
    return (bins - 1).astype(np.float32)


def table(policy, state=STATES[:1]):
    """π of every action in one state, float32 [n, …, n]."""
    actions = all_actions()
    log_probs = policy(tf.repeat(state, len(actions), axis=0)).log_prob(actions)
    return np.exp(log_probs).reshape([BINS] * SIZE)


def test_it_is_a_probability_mass():
    assert table(make()).sum() == pytest.approx(1.0, abs=1e-5)
    # Of several samples of several states too.
    distribution = make()(STATES)
    assert distribution.batch_shape == [4] and distribution.event_shape == [SIZE]
    samples = distribution.sample(5, seed=SEED)
    assert samples.shape == [5, 4, SIZE]
    together = distribution.log_prob(samples)
    for index in range(5):
        alone = distribution.log_prob(samples[index])
        np.testing.assert_allclose(together[index], alone, rtol=1e-5)


def test_a_dimension_depends_on_those_before_it_alone():
    """Whatever π(a_1), π(a_2 | a_1) and π(a_3 | a_1, a_2) are, other dimensions have no part."""
    policy, seen = make(), []
    distribution = policy(STATES[:1])

    def choose(j, logits):
        seen.append(tf.nn.softmax(logits).numpy()[0])
        return tf.constant([bins[j]])

    probabilities = table(policy)
    for bins in itertools.product(range(BINS), repeat=SIZE):
        seen.clear()
        distribution._in_order(distribution._context, choose)
        expected = np.prod([seen[j][bins[j]] for j in range(SIZE)])
        assert probabilities[bins] == pytest.approx(expected, rel=1e-4)
    first = probabilities.sum(axis=(1, 2))
    np.testing.assert_allclose(seen[0], first, rtol=1e-4)
    # And they do depend on one another.
    second_given = probabilities.sum(axis=2) / first[:, None]
    assert np.abs(second_given - second_given.mean(axis=0)).max() > 0.02
    third_given = probabilities / probabilities.sum(axis=2, keepdims=True)
    assert np.abs(third_given - third_given.mean(axis=1, keepdims=True)).max() > 0.02


def test_samples_are_as_probable_as_it_says():
    policy = make()
    samples = policy(STATES[:1]).sample(20_000, seed=SEED).numpy()[:, 0]
    bins = np.rint(samples + 1).astype(int)
    counts = np.zeros([BINS] * SIZE)
    np.add.at(counts, tuple(bins.T), 1)
    np.testing.assert_allclose(counts / len(bins), table(policy), atol=0.012)


def test_its_mode_takes_the_most_probable_bin_of_one_dimension_after_another():
    policy = make()
    for state in STATES:
        probabilities = table(policy, state[None])
        first = probabilities.sum(axis=(1, 2)).argmax()
        second = probabilities[first].sum(axis=1).argmax()
        expected = [first, second, probabilities[first, second].argmax()]
        np.testing.assert_array_equal(policy(state[None]).mode()[0], np.array(expected) - 1.0)


def test_it_starts_as_independent_dimensions():
    probabilities = table(make(moved=0.0))
    marginals = [
        probabilities.sum(axis=tuple(other for other in range(SIZE) if other != index))
        for index in range(SIZE)
    ]
    expected = np.einsum("i,j,k->ijk", *marginals)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_it_learns_that_dimensions_are_equal_and_independent_ones_cannot():
    """By maximum likelihood, actions whose dimensions are all equal: log 3 nats."""
    states = tf.zeros([48, 2])
    data = tf.constant(np.repeat(np.array([[-1.0], [0.0], [1.0]], np.float32), SIZE, 1))
    data = tf.tile(data, [16, 1])
    losses = []
    for policy in (
        make(moved=0.0),
        MultiCategoricalPolicy(2, SIZE, hidden_sizes=(8,), num_bins=BINS),
    ):
        optimizer = tf.keras.optimizers.legacy.Adam(0.03)

        @tf.function
        def step(policy=policy, optimizer=optimizer):
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(policy(states).log_prob(data))
            variables = policy.trainable_variables
            gradients = tape.gradient(loss, variables)
            optimizer.apply_gradients(zip(gradients, variables))  # noqa: B905
            return loss

        for _ in range(200):
            loss = step()
        losses.append(float(loss))
    assert losses[0] == pytest.approx(np.log(3.0), abs=0.05)
    assert losses[1] == pytest.approx(3 * np.log(3.0), abs=0.05)


def test_degrees_are_as_many_of_each():
    np.testing.assert_array_equal(degrees(6, 4), [1, 2, 3, 1, 2, 3])
    np.testing.assert_array_equal(degrees(3, 2), [1, 1, 1])
    np.testing.assert_array_equal(degrees(3, 1), [1, 1, 1])


def test_one_bin_is_refused():
    with pytest.raises(ValueError, match="must be at least 2"):
        AutoregressivePolicy(2, SIZE, hidden_sizes=(8,), num_bins=1, num_units=4)
