"""The paper's targets and loss by hand, and what they become at the ends of τ's range."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from quinoa.agents.dqn import loss as dqn_loss

TAU = pytest.mark.parametrize("tau", [0.01, 0.1, 1.0, 10.0])


def values(seed=0):
    """Q(s, ·) of 20 states and 4 actions."""
    return np.random.default_rng(seed).normal(size=(20, 4)).astype(np.float32)


def test_the_q_of_the_action():
    q, action = values(), np.random.default_rng(1).integers(4, size=20)
    np.testing.assert_array_equal(dqn_loss.chosen(q, action), q[np.arange(20), action])


def test_the_standard_value_is_the_highest_q_and_another_s_choice_if_double():
    """Eq. 81; and van Hasselt et al., Eq. 4."""
    q, chooser = values(), values(1)
    np.testing.assert_array_equal(dqn_loss.standard_value(q, q), q.max(axis=1))
    expected = q[np.arange(20), chooser.argmax(axis=1)]
    np.testing.assert_array_equal(dqn_loss.standard_value(q, chooser), expected)
    assert np.any(expected < q.max(axis=1))


@TAU
def test_the_soft_values_have_the_tau_that_the_print_lost(tau):
    """Eq. 83 and 82: τ log Σ exp(Q / τ), and less τ log n, which is Eq. 29 for a uniform π̄."""
    q = values()
    bonus = dqn_loss.soft_value(q, tau)
    expected = tau * special.logsumexp(q.astype(np.float64) / tau, axis=1)
    np.testing.assert_allclose(bonus, expected, rtol=1e-5, atol=1e-5)
    penalty = dqn_loss.kl_value(bonus, 4, tau)
    # The mean over the uniform policy's actions.
    expected = tau * special.logsumexp(q.astype(np.float64) / tau, b=0.25, axis=1)
    np.testing.assert_allclose(penalty, expected, rtol=1e-4, atol=1e-4)
    # A value is in units of rewards: what is added to Q is added to it. With the print it is not.
    shifted = dqn_loss.soft_value(q + 3.0, tau)
    np.testing.assert_allclose(shifted, bonus + 3.0, rtol=1e-5, atol=1e-4)
    if tau != 1.0:
        printed = special.logsumexp((q + 3.0) / tau, axis=1) - special.logsumexp(q / tau, axis=1)
        assert abs(printed - 3.0).min() > 1.0


@TAU
def test_a_soft_value_is_that_of_its_boltzmann_policy(tau):
    """Eq. 26 to 29: E[Q] − τ KL for π ∝ exp(Q / τ), and no other policy has a higher one."""
    q = values().astype(np.float64)
    bonus = dqn_loss.soft_value(tf.constant(q), tau).numpy()
    penalty = dqn_loss.kl_value(bonus, 4, tau)

    def worth(policy):
        kl = np.sum(special.rel_entr(policy, 0.25), axis=1)
        return np.sum(policy * q, axis=1) - tau * kl

    boltzmann = special.softmax(q / tau, axis=1)
    np.testing.assert_allclose(worth(boltzmann), penalty, rtol=1e-9, atol=1e-9)
    rng = np.random.default_rng(0)
    for weight in (0.01, 0.3, 1.0):
        other = (1.0 - weight) * boltzmann + weight * rng.dirichlet(np.ones(4), 20)
        assert np.all(worth(other) < penalty)


def test_as_tau_goes_to_0_both_are_the_standard_one_and_stay_finite():
    q = values()
    for tau in (1e-2, 1e-4, 1e-6):
        bonus = dqn_loss.soft_value(q, tau)
        penalty = dqn_loss.kl_value(bonus, 4, tau)
        gap = tau * np.log(4.0) + 1e-6
        assert np.all(np.abs(bonus - q.max(axis=1)) <= gap)
        assert np.all(np.abs(penalty - q.max(axis=1)) <= gap)
        double = dqn_loss.double_soft_value(q, values(1), tau)
        # States where the best two of the chooser are far apart have no doubt left.
        clear = np.diff(np.sort(values(1), axis=1)[:, -2:], axis=1)[:, 0] > 30.0 * tau
        hard = dqn_loss.standard_value(q, values(1)).numpy()
        assert clear.sum() > 5
        np.testing.assert_allclose(double.numpy()[clear], hard[clear], atol=1e-4)
    for far in (1e4, -1e4):
        assert np.all(np.isfinite(dqn_loss.soft_value(far * q, 1e-3)))
        assert np.all(np.isfinite(dqn_loss.double_soft_value(q, far * q, 1e-3)))


@TAU
def test_the_double_soft_value_is_the_target_s_of_the_online_policy(tau):
    q, chooser = values().astype(np.float64), values(1).astype(np.float64)
    policy = special.softmax(chooser / tau, axis=1)
    expected = np.sum(policy * q, axis=1) + tau * np.sum(special.entr(policy), axis=1)
    found = dqn_loss.double_soft_value(tf.constant(q), tf.constant(chooser), tau)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    same = dqn_loss.double_soft_value(tf.constant(q), tf.constant(q), tau)
    np.testing.assert_allclose(same, dqn_loss.soft_value(tf.constant(q), tau), rtol=1e-9)


def test_the_target_by_hand():
    """Eq. 45, by numbers whose sums float32 has exactly."""
    found = dqn_loss.target_q(
        tf.constant([1.0, 1.0]), tf.constant([0.5, 0.0]), tf.constant([3.0, 3.0])
    )
    np.testing.assert_array_equal(found, [2.5, 1.0])


@pytest.mark.parametrize("delta", [0.0, 0.5, 1.0])
def test_the_loss_and_its_gradient_by_hand(delta):
    q = tf.constant([0.25, -1.5, 4.0, 0.0])
    target = tf.constant([0.0, 0.0, 0.5, 0.125])
    error = q.numpy() - target.numpy()
    with tf.GradientTape() as tape:
        tape.watch([q, target])
        loss = dqn_loss.loss(q, target, delta)
    of_q, of_target = tape.gradient(loss, [q, target])
    each, slope = 0.5 * error**2, error
    if delta:
        beyond = delta * (np.abs(error) - 0.5 * delta)
        each = np.where(np.abs(error) <= delta, each, beyond)
        slope = np.clip(error, -delta, delta)
    np.testing.assert_allclose(loss, each.mean(), rtol=1e-6)
    np.testing.assert_allclose(of_q, slope / 4, rtol=1e-6)
    assert of_target is None
