import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents.numpy_form import FormLayout
from quinoa.agents.numpy_policy import NumpyPolicy
from quinoa.agents.parameter_vector import flatten
from quinoa.agents.policies.epsilon_greedy import EpsilonGreedy, EpsilonGreedyPolicy
from tests.agents.policies import densities

Q = np.array([[1.0, 3.0, -2.0, 0.5], [0.0, -1.0, -1.0, -5.0]], np.float32)
BEST = [1, 0]


def made(epsilon):
    return EpsilonGreedy(tf.constant(Q), tf.constant([epsilon], tf.float32))


@pytest.mark.parametrize("epsilon", [1.0, 0.3, 0.01])
def test_each_action_has_its_share_of_epsilon_and_the_best_one_the_rest(epsilon):
    distribution = made(epsilon)
    assert (distribution.batch_shape, distribution.event_shape) == ([2], [])
    expected = np.full((2, 4), epsilon / 4)
    expected[[0, 1], BEST] += 1.0 - epsilon
    for action in range(4):
        log_prob = distribution.log_prob(np.full(2, action, np.int32))
        np.testing.assert_allclose(np.exp(log_prob), expected[:, action], rtol=1e-5)
    np.testing.assert_allclose(
        distribution.entropy(), -np.sum(expected * np.log(expected), axis=-1), rtol=1e-5
    )
    drawn = distribution.sample(40_000, seed=tf.constant([1, 2])).numpy()
    assert drawn.dtype == np.int32 and drawn.shape == (40_000, 2)
    for state in range(2):
        shares = np.bincount(drawn[:, state], minlength=4) / len(drawn)
        np.testing.assert_allclose(shares, expected[state], atol=0.012)


@pytest.mark.parametrize("epsilon", [1.0, 0.3])
def test_the_mode_is_greedy_even_where_all_actions_are_equally_probable(epsilon):
    mode = made(epsilon).mode()
    assert mode.dtype == tf.int32
    np.testing.assert_array_equal(mode, BEST)


def test_of_equal_ones_the_first_is_the_best():
    distribution = EpsilonGreedy(tf.zeros([1, 3]), tf.constant([0.3]))
    np.testing.assert_array_equal(distribution.mode(), [0])
    np.testing.assert_allclose(np.exp(distribution.log_prob([[0], [2]])), [[0.8], [0.1]], rtol=1e-5)


def test_many_log_probs_at_a_time():
    distribution = made(0.3)
    actions = np.array([[0, 0], [1, 1], [2, 2]], np.int32)
    each = [distribution.log_prob(action) for action in actions]
    np.testing.assert_array_equal(distribution.log_prob(actions), each)


def test_no_gradient_moves_epsilon_and_every_layer_is_trained():
    policy = densities.make_finite("epsilon_greedy", 4)
    shapes = {tuple(variable.shape) for variable in policy.trainable_variables}
    assert shapes == {(3, 16), (16,), (16, 16), (16, 4), (4,)}
    assert len(policy.variables) == len(policy.trainable_variables) + 1


def test_actors_get_epsilon_with_the_parameters():
    size = densities.OBSERVATION_SIZE
    policy = EpsilonGreedyPolicy(size, 4, hidden_sizes=(16,), epsilon=0.5)
    acting = NumpyPolicy(FormLayout(policy.numpy_form(), policy), mode_settings={})
    states = np.tile(densities.observation(), (20_000, 1))
    draw = acting.samples(states.shape, seed=0)
    act = acting.actions(states.shape, seed=0, sample=False)
    (best,) = np.unique(policy(tf.constant(states[:1])).mode())
    for epsilon in (1.0, 0.05):
        policy.epsilon.assign([epsilon])
        acting.assign(flatten(policy))
        actions, extras = draw(states, 0)
        assert not extras
        assert actions.dtype == np.int32 and actions.shape == (20_000,)
        assert np.mean(actions != best) == pytest.approx(0.75 * epsilon, abs=0.015)
        np.testing.assert_array_equal(act(states, 0), best)
