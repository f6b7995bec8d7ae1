"""Several choices at once: each has a softmax of its own."""

import itertools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from quinoa.agents import networks
from quinoa.agents.numpy_policy import arrays_of
from quinoa.agents.policies import ProductCategorical, ProductCategoricalPolicy, standalone
from tests.agents.policies import densities

NUMBERS = (3, 1, 4)
EVERY = [np.array(action, np.int32) for action in itertools.product(*map(range, NUMBERS))]


def logits(number=5):
    return np.random.default_rng(0).normal(0.0, 2.0, (number, sum(NUMBERS))).astype(np.float32)


def log_softmaxes(values):
    """Of each choice by itself."""
    parts = np.split(values.astype(np.float64), np.cumsum(NUMBERS)[:-1], axis=-1)
    return [special.log_softmax(part, axis=-1) for part in parts]


def test_the_probability_is_the_product_of_those_of_its_choices():
    distribution, each = ProductCategorical(tf.constant(logits()), NUMBERS), log_softmaxes(logits())
    assert (distribution.batch_shape, distribution.event_shape) == ([5], [3])
    total = np.zeros(5)
    for action in EVERY:
        expected = sum(of[:, choice] for of, choice in zip(each, action, strict=True))
        log_prob = distribution.log_prob(np.repeat(action[None], 5, axis=0))
        np.testing.assert_allclose(log_prob, expected, rtol=1e-5, atol=1e-5)
        total += np.exp(log_prob)
    np.testing.assert_allclose(total, 1.0, rtol=1e-5)
    entropy = -sum(np.sum(np.exp(of) * of, axis=-1) for of in each)
    np.testing.assert_allclose(distribution.entropy(), entropy, rtol=1e-5)
    mode = distribution.mode()
    assert mode.dtype == tf.int32
    np.testing.assert_array_equal(mode, np.stack([of.argmax(axis=-1) for of in each], axis=-1))


def test_samples_are_of_these_probabilities_and_choices_are_independent():
    values = logits(1)
    distribution = ProductCategorical(tf.constant(values), NUMBERS)
    drawn = distribution.sample(40_000, seed=tf.constant([1, 2])).numpy()
    again = distribution.sample(40_000, seed=tf.constant([1, 2])).numpy()
    assert drawn.dtype == np.int32 and drawn.shape == (40_000, 1, 3)
    np.testing.assert_array_equal(drawn, again)
    for action in EVERY:
        share = np.mean(np.all(drawn[:, 0] == action, axis=-1))
        expected = np.exp(distribution.log_prob(action[None]))
        assert share == pytest.approx(expected.item(), abs=0.012)


def test_gradients_are_finite_and_those_of_each_softmax():
    values, action = tf.constant(logits(1)), np.array([[2, 0, 1]], np.int32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(values)
        distribution = ProductCategorical(values, NUMBERS)
        log_prob, entropy = distribution.log_prob(action), distribution.entropy()
    softmaxes = [np.exp(of[0]) for of in log_softmaxes(logits(1))]
    expected = [np.eye(n)[a] - p for n, a, p in zip(NUMBERS, action[0], softmaxes, strict=True)]
    gradient = tape.gradient(log_prob, values)[0]
    np.testing.assert_allclose(gradient, np.concatenate(expected), atol=1e-6)
    of_entropy = [-p * (np.log(p) - np.sum(p * np.log(p))) for p in softmaxes]
    gradient = tape.gradient(entropy, values)[0]
    np.testing.assert_allclose(gradient, np.concatenate(of_entropy), atol=1e-5)


def test_the_policy_alone_is_the_original_in_the_one_file_too(tmp_path):
    original = ProductCategoricalPolicy(
        densities.OBSERVATION_SIZE, NUMBERS, hidden_sizes=(16,), layer_norm=True
    )
    for variable in original.trainable_variables:
        variable.assign_add(tf.random.stateless_normal(variable.shape, [1, 2]))
    assert len(networks.layers_of(original._network)) == 2
    arrays = arrays_of(original)
    assert arrays is not None
    np.savez(tmp_path / "policy.npz", **arrays)
    alone: dict[str, Any] = {}
    exec(standalone.one_file(), alone)
    size = (20, densities.OBSERVATION_SIZE)
    states = np.random.default_rng(1).normal(size=size).astype(np.float32)
    distribution = original(tf.constant(states))
    for policy_class in (standalone.Policy, alone["Policy"]):
        policy = policy_class.load(tmp_path / "policy.npz")
        mode = policy.mode(states)
        assert mode.dtype == np.int32
        np.testing.assert_array_equal(mode, distribution.mode())
        for action in EVERY:
            actions = np.repeat(action[None], 20, axis=0)
            ours, theirs = policy.log_prob(states, actions), distribution.log_prob(actions)
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)
        many = np.repeat(states[:1], 40_000, axis=0)
        drawn = policy.sample(many, np.random.default_rng(0))
        assert drawn.dtype == np.int32 and drawn.shape == (40_000, 3)
        for action in EVERY:
            share = np.mean(np.all(drawn == action, axis=-1))
            expected = np.exp(policy.log_prob(states[0], action))
            assert share == pytest.approx(expected, abs=0.012)
        assert policy.mode(states[0]).tolist() == mode[0].tolist()
