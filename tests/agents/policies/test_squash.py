import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from tensorflow_probability import distributions as tfd

from quinoa.agents.policies import squash
from quinoa.agents.policies.gaussian import DiagonalGaussian


def test_tanh_and_atanh_are_inverse_up_to_what_float32_can_tell():
    y = np.linspace(-7.0, 7.0, 1001).astype(np.float32)
    action = squash.tanh(tf.constant(y))
    # Four steps of float32 below 1, over the slope of tanh.
    tolerance = 1e-5 + 2.0**-22 * np.cosh(y.astype(np.float64)) ** 2
    assert np.all(np.abs(squash.atanh(action) - y) < tolerance)


def test_beyond_the_clipping_everything_is_as_at_it():
    y = tf.constant([7.0, 8.0, 1e9])
    np.testing.assert_array_equal(squash.tanh(y), np.repeat(squash.tanh(y)[0], 3))
    action = tf.constant([squash.MAX_ACTION, 1.0])
    np.testing.assert_array_equal(squash.atanh(-action), -squash.atanh(action))
    assert squash.atanh(action)[0] == squash.atanh(action)[1]


@pytest.mark.parametrize("value", [-4.9, -0.43, 1.9])
def test_a_network_that_gives_the_output_for_a_value_is_at_it(value):
    output = squash.output_for(value, -5.0, 2.0)
    assert squash.within(tf.constant(output), -5.0, 2.0).numpy() == pytest.approx(value, rel=1e-5)


def test_log_slope_has_no_cancellation():
    y = np.concatenate([np.linspace(-40.0, 40.0, 801), [0.0]])
    expected = -2.0 * np.logaddexp(y, -y) + 2.0 * np.log(2.0)  # log(1 / cosh²)
    np.testing.assert_allclose(
        squash.log_slope(tf.constant(y.astype(np.float32))), expected, rtol=1e-5, atol=1e-6
    )


def test_gradients_are_finite_on_the_closed_interval():
    action = tf.constant([-1.0, -squash.MAX_ACTION, 0.0, squash.MAX_ACTION, 1.0])
    with tf.GradientTape() as tape:
        tape.watch(action)
        y = squash.atanh(action)
    gradient = tape.gradient(y, action).numpy()
    assert np.all(np.isfinite(y))
    assert np.all(np.isfinite(gradient))
    assert gradient[2] == 1.0


@pytest.mark.parametrize("mean", [0.0, 3.0, -5.0])
def test_log_densities_of_samples_are_exact_however_near_the_edge(mean):
    """Where float32 has rounded the sample, log_prob can know the density to a few digits only."""
    before = DiagonalGaussian(tf.fill([2000, 1], mean), tf.fill([2000, 1], 0.4))
    distribution = squash.Squashed(before)
    seed = tf.constant([1, 2])
    action, log_prob = distribution.experimental_sample_and_log_prob(seed=seed)
    np.testing.assert_array_equal(action, distribution.sample(seed=seed))
    y = before.sample(seed=seed)[:, 0].numpy().astype(np.float64)
    assert np.all(np.abs(y) < 7.0)
    expected = stats.norm(mean, np.float32(0.4)).logpdf(y) + 2.0 * np.log(np.cosh(y))
    np.testing.assert_allclose(log_prob, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(log_prob, distribution.log_prob(action), atol=0.3)


def test_gradients_of_samples_and_their_log_densities_are_exact_near_the_edge():
    """Of a = tanh(μ + σε) and log p(a) in μ and σ, with ε fixed: they need no atanh."""
    mean, stddev = tf.Variable([[5.0]]), tf.Variable([[0.3]])
    seed = tf.constant([3, 4])
    with tf.GradientTape(persistent=True) as tape:
        distribution = squash.Squashed(DiagonalGaussian(tf.identity(mean), tf.identity(stddev)))
        action, log_prob = distribution.experimental_sample_and_log_prob(seed=seed)
    y = tfd.MultivariateNormalDiag(mean, stddev).sample(seed=seed).numpy().item()
    noise = (y - 5.0) / 0.3
    slope = 1.0 / np.cosh(y) ** 2
    gradients = tape.gradient(action, [mean, stddev])
    # 1 − a² in float32.
    np.testing.assert_allclose(np.ravel(gradients), [slope, slope * noise], rtol=0.05)
    # log p = −ε²/2 − log σ − log slope(y), and d log slope / dy = −2 tanh(y).
    gradients = tape.gradient(log_prob, [mean, stddev])
    expected = [2.0 * np.tanh(y), 2.0 * np.tanh(y) * noise - 1.0 / 0.3]
    np.testing.assert_allclose(np.ravel(gradients), expected, rtol=1e-5)


def test_samples_beyond_the_clipping_have_the_density_of_what_they_are_clipped_to():
    before = tfd.MultivariateNormalDiag([[9.0], [-9.0]], [[0.1], [0.1]])
    distribution = squash.Squashed(before)
    action, log_prob = distribution.experimental_sample_and_log_prob(seed=tf.constant([1, 2]))
    np.testing.assert_array_equal(action[:, 0], squash.tanh(tf.constant([9.0, -9.0])))
    # 20 deviations out: half a thousandth of a unit of atanh is a hundredth of log p.
    np.testing.assert_allclose(log_prob, distribution.log_prob(action), rtol=0.05)
    assert np.all(np.isfinite(log_prob))
