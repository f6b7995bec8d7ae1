"""SVG(0)'s losses on numbers worked out by hand, and their gradients."""

import numpy as np
import tensorflow as tf

from quinoa.agents.svg0 import loss as svg0_loss


def test_target_by_hand():
    # A step and a termination, γ = 0.9.
    reward, discount = tf.constant([1.0, 1.0]), tf.constant([0.9, 0.0])
    np.testing.assert_allclose(svg0_loss.target_q(reward, discount, [2.0, 2.0]), [2.8, 1.0])


def test_the_critic_has_half_its_squared_error_and_leaves_the_target():
    q, target = tf.constant([1.0, 2.0]), tf.constant([3.0, 1.0])
    with tf.GradientTape() as tape:
        tape.watch([q, target])
        loss = svg0_loss.critic_loss(q, target)
    np.testing.assert_allclose(loss, 0.5 * (4.0 + 1.0) / 2.0)
    gradient, none = tape.gradient(loss, [q, target])
    np.testing.assert_allclose(gradient, [-1.0, 0.5])
    assert none is None


def test_the_actor_climbs_a_quadratic_critic_by_its_known_gradient():
    """With a = μ + ση and Q(a) = −(a − c)², ∂Q/∂a ∂a/∂μ = −2 (a − c), and η times it for σ."""
    mean, stddev = tf.Variable(0.5), tf.Variable(2.0)
    noise = tf.constant([1.0, -2.0])
    with tf.GradientTape() as tape:
        action = mean + stddev * noise
        q = -tf.square(action - 1.0)
        loss = svg0_loss.actor_loss(q, tf.zeros(2), 0.0)
    # a is 2.5 and −3.5, and a − c is 1.5 and −4.5.
    np.testing.assert_allclose(loss, (1.5**2 + 4.5**2) / 2.0)
    np.testing.assert_allclose(
        tape.gradient(loss, [mean, stddev]), [1.5 - 4.5, 1.5 * 1.0 + -4.5 * -2.0]
    )


def test_entropy_is_worth_its_weight():
    log_prob = tf.constant([1.0, -3.0])
    with tf.GradientTape() as tape:
        tape.watch(log_prob)
        loss = svg0_loss.actor_loss(tf.constant([2.0, 4.0]), log_prob, 0.5)
    np.testing.assert_allclose(loss, -3.0 + 0.5 * -1.0)
    np.testing.assert_allclose(tape.gradient(loss, log_prob), [0.25, 0.25])
