"""The agent's losses are DDPG's on its own networks, and each trains what it should."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import ddpg
from quinoa.agents.learner import Learner
from tests.agents.fixtures import make_batch, make_spec, make_transitions, perturb

SEED = tf.constant([1, 2])
PRESET = pytest.mark.parametrize("preset", ddpg.PRESETS)


def make(preset="ddpg", **changes):
    """An agent whose targets are not its networks."""
    config = dataclasses.replace(ddpg.PRESETS[preset], hidden_sizes=(8,), **changes)
    tf.random.set_seed(0)
    agent = ddpg.Agent(config, make_spec())
    perturb(agent.variables)
    return agent


@PRESET
def test_losses_are_the_paper_s(preset):
    agent = make(preset, discount=0.9)
    s, a, r, d, next_s, *_ = transitions = make_batch()
    next_q = agent._target_critic(next_s, agent._target_policy(next_s).mode())
    losses = agent.losses(transitions, SEED)
    assert losses.keys() == {"critic", "actor"}
    error = agent._critic(s, a) - (r + 0.9 * d * next_q)
    np.testing.assert_allclose(losses["critic"], np.mean(error**2), rtol=1e-5)
    value = agent._critic(s, agent.policy(s).mode())
    np.testing.assert_allclose(losses["actor"], -np.mean(value), rtol=1e-5)


@PRESET
def test_each_group_has_its_loss_and_every_trained_variable_a_gradient(preset):
    agent = make(preset)
    groups = {group.loss: group for group in agent.parameter_groups()}
    expected = {
        "critic": (agent._critic.trainable_variables, 1e-3),
        "actor": (agent.policy.trainable_variables, {"ddpg": 3e-4, "ddpg_paper": 1e-4}[preset]),
    }
    assert groups.keys() == expected.keys()
    with tf.GradientTape(persistent=True) as tape:
        losses = agent.losses(make_batch(), SEED)
    for loss, group in groups.items():
        variables, rate = expected[loss]
        assert {v.ref() for v in group.variables} == {v.ref() for v in variables}
        assert group.learning_rate == rate
        for gradient in tape.gradient(losses[loss], list(group.variables)):
            assert np.any(gradient != 0)
    # Targets are fixed.
    of_targets = [*agent._target_critic.variables, *agent._target_policy.variables]
    none = tape.gradient(losses["critic"], [*of_targets, *agent.policy.trainable_variables])
    none += tape.gradient(losses["actor"], of_targets)
    assert all(gradient is None for gradient in none)


def pairs(agent):
    yield from zip(agent.policy.variables, agent._target_policy.variables, strict=True)
    yield from zip(agent._critic.variables, agent._target_critic.variables, strict=True)


def test_both_targets_move_smoothly_at_each_step():
    agent = make(target_rate=0.25)
    before = [(online.numpy(), target.numpy()) for online, target in pairs(agent)]
    agent.after_step(tf.constant(7, tf.int64), make_batch(), SEED)
    for (_, target), (mine, theirs) in zip(pairs(agent), before, strict=True):
        np.testing.assert_allclose(target, 0.25 * mine + 0.75 * theirs, rtol=1e-5, atol=1e-6)


def test_both_targets_are_copied_once_in_a_period_where_there_is_one():
    agent = make(target_period=3)
    for step in (1, 2, 3):
        assert all(np.any(online != target) for online, target in pairs(agent))
        agent.after_step(tf.constant(step, tf.int64), make_batch(), SEED)
    assert not any(np.any(online != target) for online, target in pairs(agent))


def test_the_targets_start_as_the_networks():
    agent = ddpg.Agent(ddpg.Config(hidden_sizes=(8,)), make_spec())
    assert not any(np.any(online != target) for online, target in pairs(agent))


def test_a_termination_has_no_next_value_and_a_time_limit_has():
    agent = make()
    transitions = make_batch()
    ended = transitions._replace(discount=tf.zeros(32))
    np.testing.assert_array_equal(agent._target(ended), transitions.reward)
    continued = transitions._replace(discount=tf.ones(32))
    assert np.all(agent._target(continued) != transitions.reward)


def test_gradient_steps_find_the_best_action_of_a_bandit():
    """Terminal steps that reward a₁ − a₂: the action goes to that corner, by Q's gradient alone."""
    config = ddpg.Config(
        hidden_sizes=(16,),
        batch_size=32,
        learning_rate=3e-3,
        actor_learning_rate=3e-3,
        discount=0.0,
    )
    learner = Learner(ddpg.Agent, config, make_spec(), seed=0)
    batches = make_transitions(400, 32)
    metrics = learner.step(batches._replace(reward=batches.action[..., 0] - batches.action[..., 1]))
    mode = learner.agent.policy(batches.observation[0]).mode()
    assert np.all(mode[:, 0] > 0.9)
    assert np.all(mode[:, 1] < -0.9)
    assert metrics["value"] > 1.5


def test_metrics_are_what_they_say():
    agent = make()
    transitions = make_batch()
    s = transitions.observation
    metrics = agent.metrics(transitions, SEED)
    assert metrics.keys() == {"td_error", "value", "mean_action", "stddev"}
    np.testing.assert_allclose(metrics["stddev"], 0.2 / np.sqrt(0.15 * 1.85), rtol=1e-6)
    assert make(noise_sigma=0.0).metrics(transitions, SEED)["stddev"] == 0
    np.testing.assert_array_equal(
        agent.action_value(s, transitions.action), agent._critic(s, transitions.action)
    )
    action = agent.policy(s).mode()
    np.testing.assert_allclose(metrics["value"], np.mean(agent._critic(s, action)), rtol=1e-5)
    np.testing.assert_allclose(metrics["mean_action"], np.mean(action), rtol=1e-5)
    error = agent._target(transitions) - agent._critic(s, transitions.action)
    np.testing.assert_allclose(metrics["td_error"], np.mean(np.abs(error)), rtol=1e-5)
    np.testing.assert_array_equal(agent.value(s), agent._critic(s, action))
