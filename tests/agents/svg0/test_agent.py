"""The agent's losses are SVG(0)'s on its own networks, and each trains what it should."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import svg0
from quinoa.agents.learner import Learner
from tests.agents.fixtures import make_batch, make_spec, make_transitions, perturb

SEED = tf.constant([1, 2])
PRESET = pytest.mark.parametrize("preset", svg0.PRESETS)


def make(preset="svg0", **changes):
    """An agent whose target is not its critic."""
    config = dataclasses.replace(svg0.PRESETS[preset], hidden_sizes=(8,), **changes)
    tf.random.set_seed(0)
    agent = svg0.Agent(config, make_spec())
    perturb(agent.variables)
    return agent


def draw(agent, observation, seed):
    return agent.policy(observation).experimental_sample_and_log_prob(seed=seed)


@PRESET
def test_losses_are_the_paper_s(preset):
    agent = make(preset, discount=0.9)
    s, a, r, d, next_s, *_ = transitions = make_batch()
    first, second = tf.random.experimental.stateless_split(SEED, 2)
    action, log_prob = draw(agent, s, first)
    next_action, _ = draw(agent, next_s, second)
    target = r + 0.9 * d * agent._target_critic(next_s, next_action)
    losses = agent.losses(transitions, SEED)
    assert losses.keys() == {"critic", "actor"}
    error = agent._critic(s, a) - target
    np.testing.assert_allclose(losses["critic"], 0.5 * np.mean(error**2), rtol=1e-5)
    weight = {"svg0": 0.01, "svg0_paper": 0.0}[preset]
    expected = np.mean(weight * log_prob - agent._critic(s, action))
    np.testing.assert_allclose(losses["actor"], expected, rtol=1e-5)


@PRESET
def test_each_group_has_its_loss_and_every_trained_variable_a_gradient(preset):
    agent = make(preset)
    groups = {group.loss: group for group in agent.parameter_groups()}
    expected = {
        "critic": agent._critic.trainable_variables,
        "actor": agent.policy.trainable_variables,
    }
    assert groups.keys() == expected.keys()
    with tf.GradientTape(persistent=True) as tape:
        losses = agent.losses(make_batch(), SEED)
    for loss, group in groups.items():
        assert {v.ref() for v in group.variables} == {v.ref() for v in expected[loss]}
        assert group.learning_rate == {"svg0": 3e-4, "svg0_paper": 1e-3}[preset]
        for gradient in tape.gradient(losses[loss], list(group.variables)):
            assert np.any(gradient != 0)
    # The target's action is the policy's, and no gradient comes back through it.
    none = tape.gradient(losses["critic"], list(agent.policy.trainable_variables))
    none += tape.gradient(losses["actor"], list(agent._target_critic.trainable_variables))
    none += tape.gradient(losses["critic"], list(agent._target_critic.trainable_variables))
    assert all(gradient is None for gradient in none)


def test_the_target_moves_smoothly_at_each_step():
    agent = make(target_rate=0.25)
    online = [variable.numpy() for variable in agent._critic.variables]
    before = [variable.numpy() for variable in agent._target_critic.variables]
    agent.after_step(tf.constant(7, tf.int64), make_batch(), SEED)
    for variable, mine, theirs in zip(agent._target_critic.variables, online, before, strict=True):
        np.testing.assert_allclose(variable, 0.25 * mine + 0.75 * theirs, rtol=1e-5, atol=1e-6)


def test_the_papers_target_is_copied_once_in_a_period():
    agent = make("svg0_paper", target_period=3)
    s, a = make_batch().observation, make_batch().action
    for step in (1, 2, 3):
        assert np.any(agent._critic(s, a) != agent._target_critic(s, a))
        agent.after_step(tf.constant(step, tf.int64), make_batch(), SEED)
    np.testing.assert_array_equal(agent._critic(s, a), agent._target_critic(s, a))


def test_the_target_starts_as_the_critic():
    agent = svg0.Agent(svg0.Config(hidden_sizes=(8,)), make_spec())
    s, a = make_batch().observation, make_batch().action
    np.testing.assert_array_equal(agent._critic(s, a), agent._target_critic(s, a))


def test_a_termination_has_no_next_value_and_a_time_limit_has():
    agent = make()
    transitions = make_batch()
    ended = transitions._replace(discount=tf.zeros(32))
    np.testing.assert_array_equal(agent._target(ended, SEED), transitions.reward)
    going_on = transitions._replace(discount=tf.ones(32))
    assert np.all(agent._target(going_on, SEED) != transitions.reward)


def test_gradient_steps_find_the_best_action_of_a_bandit():
    """Terminal steps that reward a₁ − a₂: the mode goes to that corner, by Q's gradient alone."""
    config = svg0.Config(
        hidden_sizes=(16,), batch_size=32, learning_rate=3e-3, entropy_weight=0.0, discount=0.0
    )
    learner = Learner(svg0.Agent, config, make_spec(), seed=0)
    batches = make_transitions(400, 32)
    metrics = learner.step(batches._replace(reward=batches.action[..., 0] - batches.action[..., 1]))
    mode = learner.agent.policy(batches.observation[0]).mode()
    assert np.all(mode[:, 0] > 0.9)
    assert np.all(mode[:, 1] < -0.9)
    assert metrics["value"] > 1.5


def test_metrics_are_what_they_say():
    agent = make()
    transitions = make_batch()
    metrics = agent.metrics(transitions, SEED)
    assert metrics.keys() == {"td_error", "value", "entropy"}
    first, second = tf.random.experimental.stateless_split(SEED, 2)
    action, log_prob = draw(agent, transitions.observation, first)
    np.testing.assert_allclose(metrics["entropy"], -np.mean(log_prob), rtol=1e-5)
    value = np.mean(agent._critic(transitions.observation, action))
    np.testing.assert_allclose(metrics["value"], value, rtol=1e-5)
    error = agent._target(transitions, second) - agent._critic(
        transitions.observation, transitions.action
    )
    np.testing.assert_allclose(metrics["td_error"], np.mean(np.abs(error)), rtol=1e-5)


def test_its_value_is_that_of_the_mode():
    agent = make()
    s = make_batch().observation
    np.testing.assert_array_equal(agent.value(s), agent._critic(s, agent.policy(s).mode()))
