"""Batch renormalisation against Ioffe's formulas in NumPy, in both modes."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import batch_norm
from quinoa.agents.batch_norm import EPSILON, BatchNormMLP, batch_renorm

SIZE = 6
SHARES = pytest.mark.parametrize("share", [0.0, 1.0])


def arguments(seed: int = 0) -> list[Any]:
    """x, γ, β, μ_run and σ_run², such that r and d are clipped in some dimensions alone."""
    rng = np.random.default_rng(seed)
    x = rng.normal([0, 1, -2, 3, 0, 5], [1, 2, 0.5, 1, 3, 1], (32, SIZE))
    running_mean = [0.1, 0.5, -2.0, 3.2, 20.0, -30.0]
    running_variance = [1.2, 100.0, 1e-3, 0.8, 8.0, 1.0]
    values = x, rng.normal(1, 0.3, SIZE), rng.normal(size=SIZE), running_mean, running_variance
    return [tf.constant(np.array(value, np.float32)) for value in values]


def reference(x, gain, offset, running_mean, running_variance, share):
    """Algorithm 1 of Ioffe (2017), whose σ are roots of variances plus ε; also r and d."""
    deviation = np.sqrt(x.var(axis=0) + EPSILON)
    running_deviation = np.sqrt(running_variance + EPSILON)
    r = np.clip(deviation / running_deviation, 1 / 3, 3)
    d = np.clip((x.mean(axis=0) - running_mean) / running_deviation, -5, 5)
    if not share:
        r, d = np.ones_like(r), np.zeros_like(d)
    return ((x - x.mean(axis=0)) / deviation * r + d) * gain + offset, r, d


@SHARES
def test_it_is_algorithm_1_with_r_and_d_or_plain_batch_normalisation(share):
    given = arguments()
    outputs, mean, variance = batch_renorm(*given, tf.constant(share))
    x, gain, offset, *running = [value.numpy().astype(np.float64) for value in given]
    expected, r, d = reference(x, gain, offset, running[0], running[1], share)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(mean, np.mean(given[0], axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(variance, np.var(given[0], axis=0), rtol=1e-5)
    if share:
        # The test has what is clipped, on either side, and what is not.
        assert {1 / 3, 3.0} < set(r)
        assert {-5.0, 5.0} < set(d)


def test_where_nothing_is_clipped_it_is_what_the_running_statistics_give():
    x, gain, offset, *_ = arguments()
    mean, variance = (
        x[0] * 0.0 + tf.reduce_mean(x, axis=0) + 0.1,
        tf.math.reduce_variance(x, axis=0),
    )
    outputs, _, _ = batch_renorm(x, gain, offset, mean, 1.3 * variance, tf.constant(1.0))
    expected = (x - mean) / tf.sqrt(1.3 * variance + EPSILON) * gain + offset
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)


@SHARES
def test_its_gradient_is_that_which_tensorflow_finds_for_constant_r_and_d(share):
    x, gain, offset, running_mean, running_variance = arguments()
    weights = arguments(seed=1)[0]
    _, r, d = reference(
        x.numpy(), gain, offset, running_mean.numpy(), running_variance.numpy(), share
    )

    def by_tensorflow(x, gain, offset):
        mean, variance = tf.nn.moments(x, [0])
        return ((x - mean) / tf.sqrt(variance + EPSILON) * r + d) * gain + offset

    def ours(x, gain, offset):
        found = batch_renorm(x, gain, offset, running_mean, running_variance, tf.constant(share))
        return found[0]

    gradients = []
    for function in (by_tensorflow, ours):
        with tf.GradientTape() as tape:
            tape.watch([x, gain, offset])
            # Not linear, so that its gradient differs from row to row.
            loss = tf.reduce_mean(weights * tf.square(function(x, gain, offset)))
        gradients.append(tape.gradient(loss, [x, gain, offset]))
    for expected, found in zip(*gradients, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_no_gradient_reaches_the_running_statistics_or_comes_from_the_moments():
    given = arguments()
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(given)
        outputs, mean, variance = batch_renorm(*given, tf.constant(1.0))
        total = tf.reduce_sum(tf.square(outputs))
        of_moments = tf.reduce_sum(mean) + tf.reduce_sum(variance)
    assert all(gradient is None for gradient in tape.gradient(total, given[3:]))
    for gradient in tape.gradient(of_moments, given[:3]):
        assert not np.any(gradient)


def test_a_dimension_that_does_not_vary_gives_finite_numbers():
    x, gain, offset, *_ = arguments()
    constant = tf.ones_like(x) * 1e4
    with tf.GradientTape() as tape:
        tape.watch(constant)
        outputs, _, _ = batch_renorm(
            constant, gain, offset, tf.zeros(SIZE), tf.zeros(SIZE), tf.constant(1.0)
        )
        loss = tf.reduce_sum(outputs**2)
    assert np.all(np.isfinite(outputs))
    assert np.all(np.isfinite(tape.gradient(loss, constant)))


def make_network(seed=0):
    """A network whose every variable has been moved from its start."""
    tf.random.set_seed(0)
    network = BatchNormMLP(SIZE, (8, 4, 2))
    rng = np.random.default_rng(seed)
    for variable in network.variables:
        variable.assign_add(rng.uniform(0.0, 0.5, variable.shape).astype(np.float32))
    return network


def by_hand(network, x, share=None):
    """The network's outputs in NumPy, and each layer's inputs; None is inference."""
    seen = []
    for index, layer in enumerate(network.layers()):
        mean, variance, gain, offset = (v.numpy() for v in layer.normalization[:4])
        if index:
            x = np.maximum(x, 0.0)
        seen.append(x)
        if share is None:
            x = (x - mean) / np.sqrt(variance + EPSILON) * gain + offset
        else:
            x, _, _ = reference(x, gain, offset, mean, variance, share)
        x = x @ layer.weights.numpy() + layer.biases.numpy()
    return x, seen


@SHARES
def test_a_network_normalises_before_each_layer_the_first_one_included(share):
    network, x = make_network(), arguments()[0]
    outputs, moments = network.in_training(x, tf.constant(share))
    expected, seen = by_hand(network, x.numpy(), share)
    np.testing.assert_allclose(outputs, expected, rtol=1e-3, atol=1e-3)
    assert len(moments) == len(seen) == 3
    for found, inputs in zip(moments, seen, strict=True):
        np.testing.assert_allclose(found.mean, inputs.mean(axis=0), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(found.variance, inputs.var(axis=0), rtol=1e-3, atol=1e-4)


def test_in_inference_a_row_depends_on_itself_alone():
    network, x = make_network(), arguments()[0]
    expected, _ = by_hand(network, x.numpy())
    np.testing.assert_allclose(network(x), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(network(x[3:4]), network(x)[3:4], rtol=1e-4, atol=1e-5)


def test_only_follow_moves_the_running_statistics_and_by_its_rate():
    network, x = make_network(), arguments()[0]
    before = [variable.numpy() for variable in network.variables]
    _, moments = network.in_training(x, tf.constant(1.0))
    for variable, was in zip(network.variables, before, strict=True):
        np.testing.assert_array_equal(variable, was)
    old = [layer.normalization for layer in network.layers()]
    old = [(of.mean.numpy(), of.variance.numpy()) for of in old]
    network.follow(moments, 0.25)
    for layer, (mean, variance), found in zip(network.layers(), old, moments, strict=True):
        of = layer.normalization
        np.testing.assert_allclose(of.mean, 0.75 * mean + 0.25 * found.mean, rtol=1e-5)
        np.testing.assert_allclose(of.variance, 0.75 * variance + 0.25 * found.variance, rtol=1e-5)
    moved = {
        variable.name
        for variable, was in zip(network.variables, before, strict=True)
        if not np.array_equal(variable, was)
    }
    assert len(moved) == 2
    assert not {variable.name for variable in network.trainable_variables} & moved


def test_it_starts_as_a_network_of_inputs_that_are_normal_already():
    network = BatchNormMLP(SIZE, (4, 2))
    for layer in network.layers():
        assert layer.normalization is not None
        mean, variance, gain, offset, epsilon = layer.normalization
        assert epsilon == batch_norm.EPSILON
        assert not np.any(mean)
        assert not np.any(offset)
        assert np.all(variance == 1)
        assert np.all(gain == 1)
    assert len(network.trainable_variables) == 8
    assert len(network.variables) == 12
