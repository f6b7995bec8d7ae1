import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents.a2c import loss

RNG = np.random.default_rng(0)


def constants(*shape):
    return tf.constant(RNG.normal(size=shape), tf.float32)


@pytest.mark.parametrize("gae_lambda", [0.0, 0.7, 1.0])
def test_advantages_are_the_weighted_sums_of_the_errors_to_come(gae_lambda):
    errors, discount = RNG.normal(size=(3, 6)), RNG.uniform(0.5, 1.0, size=(3, 6))
    found = loss.advantages(tf.constant(errors), tf.constant(gae_lambda * discount))
    for t in range(6):
        weights = np.cumprod(np.hstack([np.ones((3, 1)), gae_lambda * discount[:, t:-1]]), axis=1)
        np.testing.assert_allclose(found[:, t], np.sum(weights * errors[:, t:], axis=1))


def test_nothing_is_carried_over_an_episode_s_end():
    errors = np.ones((1, 4))
    found = loss.advantages(tf.constant(errors), tf.constant([[0.5, 0.0, 0.5, 0.5]], tf.float64))
    np.testing.assert_array_equal(found, [[1.5, 1.0, 1.5, 1.0]])


def test_with_lambda_1_an_advantage_is_the_n_step_return_less_the_value():
    reward, value, discount = constants(2, 5), constants(2, 6), tf.fill([2, 5], 0.9)
    errors = loss.bellman_errors(reward, discount, value[:, :-1], value[:, 1:])
    expected = sum(0.9**d * reward[:, d] for d in range(5)) + 0.9**5 * value[:, 5]
    found = loss.advantages(errors, discount)[:, 0]
    np.testing.assert_allclose(found, expected - value[:, 0], rtol=1e-5)


def test_the_policy_loss_is_eq_84_and_takes_the_advantage_as_fixed():
    log_prob, kl, advantage = constants(2, 3), constants(2, 3), constants(2, 3)
    with tf.GradientTape() as tape:
        tape.watch([log_prob, kl, advantage])
        found = loss.policy_loss(log_prob, kl, advantage, 0.3)
    np.testing.assert_allclose(
        found, np.mean(-log_prob.numpy() * advantage + 0.3 * kl.numpy()), rtol=1e-5
    )
    of_log_prob, of_kl, of_advantage = tape.gradient(found, [log_prob, kl, advantage])
    np.testing.assert_allclose(of_log_prob, -advantage / 6.0, rtol=1e-5)
    np.testing.assert_allclose(of_kl, np.full((2, 3), 0.3 / 6.0), rtol=1e-5)
    assert of_advantage is None


def test_the_value_loss_is_eq_85_and_its_target_is_fixed():
    value, advantage = constants(2, 3), constants(2, 3)
    with tf.GradientTape() as tape:
        tape.watch([value, advantage])
        found = loss.value_loss(value, advantage)
    np.testing.assert_allclose(found, 0.5 * np.mean(np.square(advantage)), rtol=1e-5)
    of_value, of_advantage = tape.gradient(found, [value, advantage])
    np.testing.assert_allclose(of_value, -advantage / 6.0, rtol=1e-4, atol=1e-6)
    assert of_advantage is None


def test_the_soft_q_loss_is_the_squared_error_of_q_with_a_gradient_scaled_for_each_stream():
    tau, coefficient = 0.2, 0.5
    log_ratio, kl, value, advantage = (constants(2, 3) for _ in range(4))
    with tf.GradientTape() as tape:
        tape.watch([log_ratio, kl, value, advantage])
        found = loss.soft_q_loss(log_ratio, kl, value, advantage, tau, coefficient)
    # Q − y, where V cancels.
    error = tau * log_ratio.numpy() - tau * kl - advantage
    np.testing.assert_allclose(found, 0.5 * np.mean(np.square(error)), rtol=1e-4)
    of_ratio, of_kl, of_value, of_advantage = tape.gradient(
        found, [log_ratio, kl, value, advantage]
    )
    # Without the scales it would be τ error and error.
    np.testing.assert_allclose(of_ratio, error / 6.0, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(of_value, coefficient * error / 6.0, rtol=1e-4, atol=1e-6)
    assert of_kl is None and of_advantage is None
