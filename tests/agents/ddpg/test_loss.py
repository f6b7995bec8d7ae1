"""DDPG's losses on numbers worked out by hand, and their gradients."""

import numpy as np
import tensorflow as tf

from quinoa.agents.ddpg import loss as ddpg_loss


def test_target_by_hand():
    # A step and a termination, γ = 0.9.
    reward, discount = tf.constant([1.0, 1.0]), tf.constant([0.9, 0.0])
    np.testing.assert_allclose(ddpg_loss.target_q(reward, discount, [2.0, 2.0]), [2.8, 1.0])


def test_the_critic_has_its_squared_error_and_leaves_the_target():
    q, target = tf.constant([1.0, 2.0]), tf.constant([3.0, 1.0])
    with tf.GradientTape() as tape:
        tape.watch([q, target])
        loss = ddpg_loss.critic_loss(q, target)
    np.testing.assert_allclose(loss, (4.0 + 1.0) / 2.0)
    gradient, none = tape.gradient(loss, [q, target])
    np.testing.assert_allclose(gradient, [-2.0, 1.0])
    assert none is None


def test_the_actor_climbs_a_quadratic_critic_by_the_deterministic_policy_gradient():
    """With Q(a) = −(a − c)² and a = μ, ∂Q/∂μ = −2 (μ − c)."""
    mean = tf.Variable([0.5, 3.0])
    with tf.GradientTape() as tape:
        loss = ddpg_loss.actor_loss(-tf.square(mean - 1.0))
    np.testing.assert_allclose(loss, (0.25 + 4.0) / 2.0)
    np.testing.assert_allclose(tape.gradient(loss, mean), [-0.5, 2.0])
