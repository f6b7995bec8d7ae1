"""A categorical V is the mean of its bins, starts at zero, and learns what it is told to be."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from quinoa.agents.categorical_value import Bins, CategoricalValue


def test_a_histogram_is_the_mass_of_a_gaussian_of_three_quarters_of_a_bin():
    """By its distribution function, and no more than the mass inside the bins."""
    bins, targets = Bins(10, -5.0, 5.0), np.array([-4.6, -0.2, 0.0, 2.5], np.float32)
    edges = np.linspace(-5.0, 5.0, 11)
    cumulative = stats.norm.cdf((edges - targets[:, None].astype(np.float64)) / 0.75)
    expected = np.diff(cumulative, axis=1) / (cumulative[:, -1:] - cumulative[:, :1])
    np.testing.assert_allclose(bins.histogram(tf.constant(targets)), expected, atol=1e-6)


@pytest.mark.parametrize("number", [10, 11])
def test_the_mean_of_a_histogram_is_its_target(number):
    """Away from the edges, to a hundredth of a bin, wherever in a bin the target is."""
    bins = Bins(number, -5.0, 5.0)
    targets = tf.linspace(-2.0, 2.0, 41)
    logits = tf.math.log(bins.histogram(targets) + 1e-30)
    np.testing.assert_allclose(bins.mean(logits), targets, atol=0.01)


def test_a_target_outside_counts_as_the_nearest_edge():
    bins = Bins(10, -5.0, 5.0)
    far, edge = bins.histogram(tf.constant([-1e6, 7.0])), bins.histogram(tf.constant([-5.0, 5.0]))
    np.testing.assert_array_equal(far, edge)
    assert bins.metrics(tf.constant([-1e6, 7.0, 4.0, -4.9]))["value_clipped"] == 0.5
    bins = Bins(12, -10.0, 50.0)
    assert bins.metrics(tf.constant([-20.0, -9.0, 49.0, 51.0, 30.0]))["value_clipped"] == 0.4


def test_v_comes_to_what_its_own_targets_say_where_three_bins_are_left():
    """Nearer to an end the histogram's mean is less, and bootstrapping multiplies that."""
    bins, discount = Bins(60, -60.0, 60.0), 0.95

    def settled(reward: float) -> float:
        value = tf.constant([0.0])
        for _ in range(300):
            histogram = bins.histogram(reward + discount * value)
            value = bins.mean(tf.math.log(tf.maximum(histogram, 1e-30)))
        return float(value)

    true = [54.0, 59.9]
    reached = [settled((1 - discount) * value) for value in true]
    assert reached[0] == pytest.approx(true[0], abs=0.1)
    assert reached[1] < true[1] - 1.0


def test_the_loss_is_the_cross_entropy_and_its_gradient_stops_at_the_target():
    bins, rng = Bins(6, -3.0, 3.0), np.random.default_rng(0)
    target = tf.constant(rng.uniform(-2, 2, 4), tf.float32)
    logits = tf.constant(rng.normal(size=(2, 4, 6)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch([target, logits])
        loss = bins.loss(logits, target)
    of_target, of_logits = tape.gradient(loss, [target, logits])
    wanted = bins.histogram(target).numpy()
    expected = -np.mean(np.sum(wanted * special.log_softmax(logits, axis=-1), axis=-1))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert of_target is None
    np.testing.assert_allclose(
        of_logits, (special.softmax(logits, axis=-1) - wanted) / 8, rtol=1e-4, atol=1e-6
    )


def test_logits_of_any_size_have_a_mean_and_a_loss():
    bins, logits = Bins(4, -2.0, 2.0), tf.constant([[1e4, 0.0, 0.0, -1e4]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = bins.loss(logits, tf.constant([-1.5]))
    assert bins.mean(logits) == -1.5
    assert np.isfinite(loss) and np.all(np.isfinite(tape.gradient(loss, logits)))


def test_with_little_room_below_zero_it_starts_with_one_peak_there():
    start = Bins(33, -12.0, 120.0).start()
    assert np.argmax(start) in (2, 3)
    assert np.all(np.diff(start[:3]) > 0) and np.all(np.diff(start[3:]) < 0)


@pytest.mark.parametrize(
    "number, low", [(2, -100.0), (20, -100.0), (121, -100.0), (27, -8.0), (121, -2.0)]
)
@pytest.mark.parametrize("residual", [False, True])
def test_it_starts_at_zero_everywhere(number, low, residual):
    value = CategoricalValue(3, (8,), bins=Bins(number, low, 100.0), residual=residual)
    states = tf.constant(np.random.default_rng(0).normal(size=(16, 3)), tf.float32)
    np.testing.assert_allclose(value(states), 0.0, atol=1e-4)


def test_small_steps_far_from_zero_hardly_move_it():
    """A far bin's probability is near 0 at the start, and so is what a step of its logit does."""
    bins = Bins(121, -120.0, 120.0)
    start = bins.start()
    moved = start + 0.1 * np.sign(np.linspace(-1.0, 1.0, 121)).astype(np.float32)
    assert abs(bins.mean(tf.constant(moved[None]))) < 0.5
    # As it would with the same probability everywhere.
    assert bins.mean(0.1 * tf.sign(tf.linspace(-1.0, 1.0, 121))[None]) > 5.0


def test_it_learns_values_of_any_size_inside_its_bins():
    tf.random.set_seed(0)
    value = CategoricalValue(4, (32,), bins=Bins(41, -100.0, 100.0))
    states, targets = tf.eye(4), tf.constant([0.3, -60.0, 5.0, 90.0])
    optimizer = tf.keras.optimizers.legacy.Adam(1e-2)

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            loss = value._bins.loss(value.logits(states), targets)
        gradients = tape.gradient(loss, value.trainable_variables)
        optimizer.apply_gradients(zip(gradients, value.trainable_variables, strict=True))

    for _ in range(1000):
        step()
    np.testing.assert_allclose(value(states), targets, atol=0.5)
