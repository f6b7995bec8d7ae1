"""The agent's losses are Smoothie's on its own networks, and each trains what it should."""

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import smoothie
from quinoa.agents.learner import Learner
from quinoa.agents.numpy_policy import own_form
from quinoa.agents.smoothie import loss as smoothie_loss
from quinoa.agents.smoothie.policy import LOG_DENSITY
from tests.agents.fixtures import make_batch, make_spec, make_transitions, perturb

SEED = tf.constant([1, 2])
CRITIC = pytest.mark.parametrize("critic", ["phantom", "two_networks"])


def make(**changes):
    """An agent whose targets are not its networks."""
    tf.random.set_seed(0)
    agent = smoothie.Agent(smoothie.Config(hidden_sizes=(8,), **changes), make_spec())
    perturb(agent.variables)
    return agent


def test_losses_of_phantom_actions_are_the_paper_s():
    agent = make(discount=0.9, kl_weight=0.3)
    s, a, r, d, next_s, *_ = transitions = make_batch()
    _, second = tf.random.experimental.stateless_split(SEED, 2)
    phantom = smoothie_loss.around(tf.atanh(a), agent.policy.variance(), second)
    # Deterministic: Q̃' of the target's mean has the expectation in it.
    next_mean = agent._target_policy(next_s).mode()
    target = r + 0.9 * d * agent._target_critic(next_s, next_mean)
    losses = agent.losses(transitions, SEED)
    assert losses.keys() == {"smoothed", "actor"}
    error = agent._smoothed(s, tf.tanh(phantom)) - target
    np.testing.assert_allclose(losses["smoothed"], np.mean(error**2), rtol=1e-5)
    mean, variance = agent.policy.mean(s), agent.policy.variance()
    g, h = smoothie_loss.derivatives(lambda y: agent._smoothed(s, tf.tanh(y)), mean)
    value = np.mean(np.sum(g * mean + 0.5 * h * variance, axis=1))
    old = agent._target_policy
    kl = smoothie_loss.divergence(mean, variance, old.mean(s), old.variance())
    np.testing.assert_allclose(losses["actor"], -value + 0.3 * np.mean(kl), rtol=1e-4)


def test_losses_of_two_networks_are_eq_16_and_17():
    agent = make(discount=0.9, critic="two_networks", num_samples=3)
    s, a, r, d, next_s, *_ = transitions = make_batch()
    first, second = tf.random.experimental.stateless_split(SEED, 2)
    old = agent._target_policy
    next_y = smoothie_loss.around(old.mean(next_s), old.variance(), first)
    target = r + 0.9 * d * agent._target_critic(next_s, tf.tanh(next_y))
    losses = agent.losses(transitions, SEED)
    assert losses.keys() == {"critic", "smoothed", "actor"}
    error = agent._critic(s, a) - target
    np.testing.assert_allclose(losses["critic"], np.mean(error**2), rtol=1e-4)
    y = tf.repeat(tf.atanh(a), 3, axis=0)
    around = smoothie_loss.around(y, agent.policy.variance(), second)
    of_each = agent._critic(tf.repeat(s, 3, axis=0), tf.tanh(around)).numpy().reshape(32, 3)
    error = agent._smoothed(s, a) - of_each.mean(axis=1)
    np.testing.assert_allclose(losses["smoothed"], np.mean(error**2), rtol=1e-4)


@CRITIC
def test_each_group_has_its_loss_and_every_trained_variable_a_gradient(critic):
    agent = make(critic=critic)
    expected = {
        "smoothed": agent._smoothed.trainable_variables,
        "actor": agent.policy.trainable_variables,
        **({"critic": agent._critic.trainable_variables} if critic == "two_networks" else {}),
    }
    groups = {group.loss: group for group in agent.parameter_groups()}
    assert groups.keys() == expected.keys()
    with tf.GradientTape(persistent=True) as tape:
        losses = agent.losses(make_batch(), SEED)
    everything = {v.ref(): v for of_loss in expected.values() for v in of_loss}
    for loss, group in groups.items():
        own = {v.ref() for v in expected[loss]}
        assert {v.ref() for v in group.variables} == own
        assert group.learning_rate == (3e-4 if loss == "actor" else 1e-3)
        for gradient in tape.gradient(losses[loss], list(group.variables)):
            assert np.any(gradient != 0)
        if loss != "smoothed" or critic == "phantom":
            others = [v for ref, v in everything.items() if ref not in own]
            assert all(g is None for g in tape.gradient(losses[loss], others))
    assert agent.policy.log_variance.ref() in {v.ref() for v in groups["actor"].variables}


@CRITIC
def test_targets_move_smoothly_and_start_as_the_networks(critic):
    agent = smoothie.Agent(
        smoothie.Config(hidden_sizes=(8,), critic=critic, target_rate=0.25), make_spec()
    )
    online, target = agent._followed()
    assert {v.ref() for v in online} == {
        v.ref() for v in (*agent.policy.variables, *agent._critic.variables)
    }
    for mine, theirs in zip(online, target, strict=True):
        np.testing.assert_array_equal(mine, theirs)
        mine.assign_add(0.1 * tf.ones_like(mine))
    before = [each.numpy() for each in target]
    agent.after_step(tf.constant(1, tf.int64), make_batch(), SEED)
    for each, was in zip(target, before, strict=True):
        np.testing.assert_allclose(each, was + 0.025, rtol=1e-4, atol=1e-5)


def test_deviations_start_as_told_and_stay_within_their_bounds():
    agent = smoothie.Agent(
        smoothie.Config(hidden_sizes=(8,), initial_stddev=0.4, min_stddev=0.1, max_stddev=0.8),
        make_spec(),
    )
    np.testing.assert_allclose(np.sqrt(agent.policy.variance()), 0.4, rtol=1e-5)
    agent.policy.log_variance.assign([-30.0, 30.0])
    agent.after_step(tf.constant(1, tf.int64), make_batch(), SEED)
    np.testing.assert_allclose(np.sqrt(agent.policy.variance()), [0.1, 0.8], rtol=1e-5)
    # The policy starts in the middle.
    assert np.abs(agent.policy(make_batch().observation).mode()).max() < 0.05


def test_a_transition_counts_by_how_improbable_its_action_was_where_that_is_asked_for():
    assert smoothie.Agent.extras_spec(smoothie.Config(), make_spec()) == {}
    agent = make(max_importance_weight=5.0)
    assert set(agent.extras_spec(agent._config, make_spec())) == {LOG_DENSITY}
    transitions = make_batch()
    distribution = agent.policy(transitions.observation)
    action = distribution.sample(seed=SEED)
    extras = agent.policy.extras(distribution, action)
    # The density of the Gaussian, before it is squashed.
    y, mean = tf.atanh(action), agent.policy.mean(transitions.observation)
    deviation = np.sqrt(agent.policy.variance())
    normal = -0.5 * ((y - mean) / deviation) ** 2 - np.log(deviation * np.sqrt(2.0 * np.pi))
    np.testing.assert_allclose(extras[LOG_DENSITY], np.sum(normal, axis=1), rtol=1e-3, atol=1e-3)
    log_density = tf.constant(np.linspace(-4.0, 3.0, 32), tf.float32)
    weighted = transitions._replace(extras={LOG_DENSITY: log_density})
    _, second = tf.random.experimental.stateless_split(SEED, 2)
    phantom = smoothie_loss.around(tf.atanh(transitions.action), agent.policy.variance(), second)
    q = agent._smoothed(transitions.observation, tf.tanh(phantom))
    error = q - agent._target(transitions, SEED)
    weight = np.minimum(np.exp(-log_density), 5.0)
    assert weight.max() == 5.0 and weight.min() < 0.1
    found = agent.losses(weighted, SEED)["smoothed"]
    np.testing.assert_allclose(found, np.mean(weight * error**2), rtol=1e-4)
    # Actors that add it act with TensorFlow; an export is for NumPy still.
    assert agent.policy.adds_extras and own_form(agent.policy) is not None
    assert not make().policy.adds_extras


@CRITIC
def test_gradient_steps_find_the_best_action_of_a_bandit(critic):
    """Terminal steps that reward −|a − c|²: the mode goes to c, and the deviations fall."""
    config = smoothie.Config(
        hidden_sizes=(32,),
        batch_size=64,
        learning_rate=1e-2,
        # Much slower than the critic: what that is before it has learned leads to the edges.
        actor_learning_rate=1e-4,
        discount=0.0,
        critic=critic,
    )
    learner = Learner(smoothie.Agent, config, make_spec(), seed=0)
    batches = make_transitions(3000, 64)
    best = np.array([0.3, -0.3], np.float32)
    reward = -np.sum(np.square(batches.action - best), axis=-1)
    metrics = learner.step(batches._replace(reward=reward))
    mode = learner.agent.policy(batches.observation[0]).mode()
    np.testing.assert_allclose(np.mean(mode, axis=0), best, atol=0.2)
    assert metrics["stddev"] < 0.49, metrics
    assert metrics["curvature"] < 0


def test_metrics_are_what_they_say():
    agent = make()
    transitions = make_batch()
    s = transitions.observation
    metrics = agent.metrics(transitions, SEED)
    assert metrics.keys() == {"td_error", "value", "mean_action", "stddev", "curvature", "kl"}
    mode = agent.policy(s).mode()
    np.testing.assert_allclose(metrics["value"], np.mean(agent._smoothed(s, mode)), rtol=1e-5)
    np.testing.assert_allclose(metrics["mean_action"], np.mean(mode), rtol=1e-4)
    np.testing.assert_allclose(
        metrics["stddev"], np.mean(np.sqrt(agent.policy.variance())), rtol=1e-5
    )
    error = agent._target(transitions, SEED) - agent._smoothed(s, transitions.action)
    np.testing.assert_allclose(metrics["td_error"], np.mean(np.abs(error)), rtol=1e-4)
    np.testing.assert_allclose(agent.value(s), agent._smoothed(s, mode), rtol=1e-4, atol=1e-5)
