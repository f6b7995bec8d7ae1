"""MEow's equations on numbers worked out by hand, and where no gradient flows."""

import numpy as np
import tensorflow as tf

from quinoa.agents.meow import loss as meow_loss


def test_both_shifts_are_added_to_alpha_times_the_logarithm():
    shifts = tf.constant([[1.0, 2.0], [3.0, -4.0]])
    found = meow_loss.shifted(tf.constant([-10.0, 5.0]), shifts, 0.1)
    np.testing.assert_allclose(found, [[0.0, 2.5], [2.0, -3.5]], atol=1e-6)


def test_the_target_takes_the_lower_value_of_each_next_state():
    # A step, another, and a termination; γ = 0.9.
    reward, discount = tf.constant([1.0, 1.0, 1.0]), tf.constant([0.9, 0.9, 0.0])
    values = tf.constant([[2.0, 5.0, 7.0], [3.0, -1.0, 7.0]])
    target = meow_loss.target_q(reward, discount, values)
    np.testing.assert_allclose(target, [2.8, 0.1, 1.0], rtol=1e-6)


def test_the_loss_is_one_mean_over_both_and_its_target_stays():
    q, target = tf.constant([[1.0, 2.0], [4.0, 0.0]]), tf.constant([3.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch([q, target])
        loss = meow_loss.loss(q, target)
    # Errors of 2, 0, 1 and 2.
    np.testing.assert_allclose(loss, (4.0 + 0.0 + 1.0 + 4.0) / 4.0)
    gradient, none = tape.gradient(loss, [q, target])
    np.testing.assert_allclose(gradient, [[-1.0, 0.0], [0.5, -1.0]])
    assert none is None
