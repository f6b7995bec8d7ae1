"""The agent's losses are the paper's on its own networks, and each trains what it should."""

import dataclasses

import numpy as np
import tensorflow as tf

from quinoa.agents import sac
from tests.agents.fixtures import make_batch, make_spec, perturb

SEED = tf.constant([1, 2])


def make(**changes):
    """An agent whose targets are not its critics."""
    config = dataclasses.replace(sac.Config(), hidden_sizes=(8,), alpha=0.5, **changes)
    tf.random.set_seed(0)
    agent = sac.Agent(config, make_spec())
    modules = (agent.policy, agent._critics, agent._target_critics)
    perturb(variable for module in modules for variable in module.variables)
    return agent


def q_of(module, s, a):
    """Q_1 and Q_2 worked out from the variables, one ReLU layer and one linear one each."""
    values = []
    for i in range(2):
        variables = {variable.name: variable for variable in module._twins[i].variables}
        (w0, b0), (w1, b1) = (
            [
                next(v for name, v in variables.items() if f"linear_{layer}/{kind}:" in name)
                for kind in "wb"
            ]
            for layer in range(2)
        )
        x = np.maximum(np.concatenate([s, a], axis=1) @ w0 + b0, 0.0)
        values.append((x @ w1 + b1)[:, 0])
    return np.stack(values)


def draw(agent, observation, seed):
    return agent.policy(observation).experimental_sample_and_log_prob(seed=seed)


def test_losses_are_equations_5_9_and_18():
    agent = make(discount=0.9)
    s, a, r, d, next_s, *_ = transitions = make_batch()
    first, second = tf.random.experimental.stateless_split(SEED, 2)
    action, log_prob = draw(agent, s, first)
    next_action, next_log_prob = draw(agent, next_s, second)
    next_value = q_of(agent._target_critics, next_s, next_action).min(axis=0) - 0.5 * next_log_prob
    target = r + 0.9 * d * next_value
    errors = q_of(agent._critics, s, a) - target
    losses = agent.losses(transitions, SEED)
    assert losses.keys() == {"critic", "actor", "alpha"}
    expected = 0.5 * np.mean(errors[0] ** 2) + 0.5 * np.mean(errors[1] ** 2)
    np.testing.assert_allclose(losses["critic"], expected, rtol=1e-5)
    q = q_of(agent._critics, s, action).min(axis=0)
    np.testing.assert_allclose(losses["actor"], np.mean(0.5 * log_prob - q), rtol=1e-5)
    # H̄ is −1 for each of the two dimensions.
    np.testing.assert_allclose(losses["alpha"], -0.5 * np.mean(log_prob - 2.0), rtol=1e-5)


def test_target_and_actor_draw_from_seeds_of_their_own():
    agent = make()
    still = make_batch()._replace(next_observation=make_batch().observation)
    losses, other = agent.losses(still, SEED), agent.losses(still, SEED + 1)
    assert all(losses[name] != other[name] for name in losses)
    first, second = tf.random.experimental.stateless_split(SEED, 2)
    assert np.any(
        draw(agent, still.observation, first)[0] != draw(agent, still.observation, second)[0]
    )


def test_each_group_has_its_loss_and_every_trained_variable_a_gradient():
    agent = make()
    groups = {group.loss: group for group in agent.parameter_groups()}
    expected = {
        "critic": agent._critics.trainable_variables,
        "actor": agent.policy.trainable_variables,
        "alpha": [agent._log_alpha],
    }
    assert groups.keys() == expected.keys()
    with tf.GradientTape(persistent=True) as tape:
        losses = agent.losses(make_batch(), SEED)
    for loss, group in groups.items():
        assert {v.ref() for v in group.variables} == {v.ref() for v in expected[loss]}
        assert group.learning_rate == 3e-4
        for gradient in tape.gradient(losses[loss], list(group.variables)):
            assert np.any(gradient != 0)


def test_no_loss_reaches_what_another_alone_should_train():
    """The actor's reaches the critics, on the way, but they are in the critics' group alone."""
    agent = make()
    with tf.GradientTape(persistent=True) as tape:
        losses = agent.losses(make_batch(), SEED)
    critics, policy = agent._critics.trainable_variables, agent.policy.trainable_variables
    for loss, others in {
        "critic": (*policy, agent._log_alpha),
        "actor": (agent._log_alpha,),
        "alpha": (*policy, *critics),
    }.items():
        assert all(gradient is None for gradient in tape.gradient(losses[loss], list(others)))
    targets = list(agent._target_critics.trainable_variables)
    for loss in losses.values():
        assert all(gradient is None for gradient in tape.gradient(loss, targets))


def test_the_twins_start_apart_and_the_targets_with_them():
    agent = sac.Agent(sac.Config(hidden_sizes=(8,)), make_spec())
    s, a = make_batch().observation, make_batch().action
    first, second = agent._critics(s, a)
    assert np.all(first != second)
    np.testing.assert_array_equal(agent._critics(s, a), agent._target_critics(s, a))


def test_only_the_target_critics_move_after_a_step_and_smoothly():
    agent = make(target_rate=0.25)
    online = [variable.numpy() for variable in agent._critics.variables]
    before = [variable.numpy() for variable in agent._target_critics.variables]
    agent.after_step(tf.constant(7, tf.int64), make_batch(), SEED)
    for variable, mine, theirs in zip(agent._target_critics.variables, online, before, strict=True):
        np.testing.assert_allclose(variable, 0.25 * mine + 0.75 * theirs, rtol=1e-5, atol=1e-6)
    for variable, mine in zip(agent._critics.variables, online, strict=True):
        np.testing.assert_array_equal(variable, mine)


def test_a_termination_has_no_next_value_and_a_time_limit_has():
    agent = make()
    transitions = make_batch()
    ended = transitions._replace(discount=tf.zeros(32))
    np.testing.assert_array_equal(agent._target(ended, SEED), transitions.reward)
    going_on = transitions._replace(discount=tf.ones(32))
    assert np.all(agent._target(going_on, SEED) != transitions.reward)


def test_metrics_are_what_they_say():
    agent = make()
    transitions = make_batch()
    metrics = agent.metrics(transitions, SEED)
    assert metrics.keys() == {"td_error", "value", "entropy", "alpha"}
    np.testing.assert_allclose(metrics["alpha"], 0.5, rtol=1e-6)
    states = tf.repeat(transitions.observation, 500, axis=0)
    action, log_prob = draw(agent, states, tf.constant([5, 6]))
    value = q_of(agent._critics, states, action).min(axis=0) - 0.5 * log_prob
    # On 32 samples, one a state, within four of their standard errors.
    for name, values in (("entropy", -log_prob), ("value", value)):
        assert abs(metrics[name] - np.mean(values)) < 4.0 * np.std(values) / np.sqrt(32)
    seeds = tf.random.experimental.stateless_split(SEED, 2)
    error = agent._target(transitions, seeds[1]) - agent._critics(
        transitions.observation, transitions.action
    )
    np.testing.assert_allclose(metrics["td_error"], np.mean(np.abs(error)), rtol=1e-5)


def test_its_value_is_that_of_the_mode_by_the_critic_that_hopes_least():
    agent = make()
    s = make_batch().observation
    q = q_of(agent._critics, s.numpy(), agent.policy(s).mode().numpy())
    np.testing.assert_allclose(agent.value(s), np.min(q, axis=0), rtol=1e-4, atol=1e-5)
