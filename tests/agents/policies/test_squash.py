import numpy as np
import tensorflow as tf

from agents.policies import squash


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
