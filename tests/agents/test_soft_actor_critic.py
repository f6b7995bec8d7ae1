"""The losses of soft actor-critics on numbers worked out by hand, and their gradients."""

import math

import numpy as np
import tensorflow as tf

from quinoa.agents import soft_actor_critic


def test_soft_value_takes_the_lower_critic_and_adds_the_entropy():
    q = tf.constant([[1.0, 5.0], [3.0, 2.0]])
    log_prob = tf.constant([-2.0, 0.5])
    np.testing.assert_allclose(soft_actor_critic.soft_value(q, log_prob, 0.1), [1.2, 1.95])


def test_target_by_hand():
    # A step and a termination, γ = 0.9.
    reward, discount = tf.constant([1.0, 1.0]), tf.constant([0.9, 0.0])
    np.testing.assert_allclose(soft_actor_critic.target_q(reward, discount, [2.0, 2.0]), [2.8, 1.0])


def test_each_critic_has_half_its_own_squared_error():
    q, target = tf.constant([[1.0, 2.0], [4.0, 0.0]]), tf.constant([3.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch([q, target])
        loss = soft_actor_critic.critic_loss(q, target)
    # ½ (4 + 0) / 2 of the one, ½ (1 + 4) / 2 of the other.
    np.testing.assert_allclose(loss, 1.0 + 1.25)
    gradient, none = tape.gradient(loss, [q, target])
    np.testing.assert_allclose(gradient, [[-1.0, 0.0], [0.5, -1.0]])
    assert none is None


def test_the_actor_climbs_a_quadratic_critic_by_its_known_gradient():
    """With Q_i(a) = −(a − c_i)² the gradient is 2 (a − c_i) of the lower critic, and α of log π."""
    action, log_prob = tf.constant([0.0, 1.0]), tf.constant([0.3, -0.7])
    alpha = tf.constant(0.2)
    with tf.GradientTape() as tape:
        tape.watch([action, log_prob, alpha])
        q = tf.stack([-tf.square(action - 0.5), -tf.square(action + 1.0)])
        loss = soft_actor_critic.actor_loss(q, log_prob, alpha)
    # At 0 the second is lower (−1), at 1 too (−4).
    expected = 0.5 * ((0.2 * 0.3 + 1.0) + (0.2 * -0.7 + 4.0))
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    of_action, of_log_prob, of_alpha = tape.gradient(loss, [action, log_prob, alpha])
    np.testing.assert_allclose(of_action, [0.5 * 2.0 * 1.0, 0.5 * 2.0 * 2.0], rtol=1e-6)
    np.testing.assert_allclose(of_log_prob, [0.1, 0.1], rtol=1e-6)
    assert of_alpha is None


def test_the_temperature_grows_where_there_is_too_little_entropy_and_shrinks_where_too_much():
    log_alpha = tf.Variable(math.log(0.5))
    for log_prob, expected in [([4.0, 2.0], -0.5 * 1.0), ([1.0, -1.0], 0.5 * 2.0)]:
        log_prob = tf.constant(log_prob)
        with tf.GradientTape() as tape:
            tape.watch(log_prob)
            # H̄ = −2: entropies of −3 and 0.
            loss = soft_actor_critic.temperature_loss(tf.exp(log_alpha), log_prob, -2.0)
        of_log_alpha, of_log_prob = tape.gradient(loss, [log_alpha, log_prob])
        np.testing.assert_allclose(loss, expected, rtol=1e-6)
        np.testing.assert_allclose(of_log_alpha, expected, rtol=1e-6)
        assert of_log_prob is None
