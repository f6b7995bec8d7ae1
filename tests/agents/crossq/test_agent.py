"""The losses are the paper's on the agent's own networks, by hand; and what moves when."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import crossq
from quinoa.agents.batch_norm import EPSILON
from tests.agents.fixtures import make_spec, make_transitions
from tests.agents.learners import LearnerPool

SEED = tf.constant([1, 2])
SMALL = crossq.Config(hidden_sizes=(8,), critic_hidden_sizes=(8,), batch_size=32, alpha=0.5)
LEARNERS = LearnerPool()


@pytest.fixture(autouse=True)
def _learners_are_taken_for_one_test():
    LEARNERS.give_back()


def make(**changes):
    """An agent whose every network's variable has been moved from where it starts."""
    tf.random.set_seed(0)
    agent = crossq.Agent(dataclasses.replace(SMALL, **changes), make_spec())
    rng = np.random.default_rng(0)
    for module in (agent.policy, agent._critics):
        for variable in module.variables:
            # Variances stay above 0.
            variable.assign_add(rng.uniform(-0.4, 0.4, variable.shape).astype(np.float32))
    return agent


def batch(size=32, seed=0):
    transitions = make_transitions(size, seed=seed)
    # Far from replay's other observations, so that each half has statistics of its own.
    transitions = transitions._replace(next_observation=2.0 * transitions.next_observation + 1.0)
    return tf.nest.map_structure(tf.constant, transitions)


def network(module, x, *, training, share=0.0):
    """A network's outputs in NumPy, normalised by those who are in x or by what is remembered."""
    x = np.asarray(x, np.float64)
    for index, layer in enumerate(module.layers()):
        mean, variance, gain, offset = (v.numpy() for v in layer.normalization[:4])
        x = np.maximum(x, 0.0) if index else x
        deviation = np.sqrt(variance + EPSILON)
        if training:
            own = np.sqrt(x.var(axis=0) + EPSILON)
            r = np.clip(own / deviation, 1 / 3, 3) if share else 1.0
            d = np.clip((x.mean(axis=0) - mean) / deviation, -5, 5) if share else 0.0
            x = (x - x.mean(axis=0)) / own * r + d
        else:
            x = (x - mean) / deviation
        x = (x * gain + offset) @ layer.weights.numpy() + layer.biases.numpy()
    return x


def q_of(agent, s, a, *, training, share=0.0):
    inputs = np.concatenate([s, a], axis=1)
    twins = agent._critics._twins
    return np.stack([network(q, inputs, training=training, share=share)[:, 0] for q in twins])


def draw(distribution, seed):
    return distribution.experimental_sample_and_log_prob(seed=seed)


def statistics_of(module):
    return [variable.numpy() for variable in module.variables if not variable.trainable]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_critics_learn_from_one_joint_pass(share):
    """Which two separate ones, each normalised by its own half, would not give."""
    agent = make(discount=0.9, renorm_warm_up=0 if share else 10)
    s, a, r, d, next_s, *_ = transitions = batch()
    _, second = tf.random.experimental.stateless_split(SEED, 2)
    # The policy acts as it does for an actor.
    next_a, next_log_prob = draw(agent.policy(next_s), second)
    both = q_of(
        agent, np.concatenate([s, next_s]), np.concatenate([a, next_a]), training=True, share=share
    )
    apart = np.concatenate(
        [q_of(agent, *of, training=True, share=share) for of in ((s, a), (next_s, next_a))], axis=1
    )

    def loss_of(q):
        target = r + 0.9 * d * (q[:, 32:].min(axis=0) - 0.5 * next_log_prob)
        return 0.5 * np.mean((q[:, :32] - target) ** 2, axis=1).sum()

    loss = agent.losses(transitions, SEED)["critic"]
    np.testing.assert_allclose(loss, loss_of(both), rtol=1e-4)
    assert abs(loss_of(apart) / loss_of(both) - 1.0) > 1e-3


def test_the_actor_is_in_training_and_the_critics_that_it_climbs_are_not():
    agent = make()
    transitions = batch()
    s = transitions.observation
    first, _ = tf.random.experimental.stateless_split(SEED, 2)
    distribution, _ = agent.policy.in_training(s, tf.constant(0.0))
    outputs = network(agent.policy._network, s, training=True)
    mean = np.tanh(4.0 * np.tanh(outputs[:, :2] / 4.0))
    np.testing.assert_allclose(distribution.mode(), mean, rtol=1e-3, atol=1e-4)
    assert np.any(np.abs(distribution.mode() - agent.policy(s).mode()) > 0.05)
    action, log_prob = draw(distribution, first)
    q = q_of(agent, s, action, training=False).min(axis=0)
    losses = agent.losses(transitions, SEED)
    np.testing.assert_allclose(losses["actor"], np.mean(0.5 * log_prob - q), rtol=1e-4)
    # H̄ is −1 for each of the two dimensions.
    np.testing.assert_allclose(losses["alpha"], -0.5 * np.mean(log_prob - 2.0), rtol=1e-4)


def test_losses_depend_on_variables_alone_and_move_none():
    agent = make()
    before = [variable.numpy() for variable in agent.variables]
    first, again = agent.losses(batch(), SEED), agent.losses(batch(), SEED)
    for name, loss in first.items():
        np.testing.assert_array_equal(loss, again[name])
    for variable, was in zip(agent.variables, before, strict=True):
        np.testing.assert_array_equal(variable, was)


def test_no_gradient_goes_through_the_target():
    """The critics' is that of Q to fixed numbers, by way of the batch's statistics alone."""
    agent = make()
    transitions = batch()
    variables = agent._critics.trainable_variables
    with tf.GradientTape() as tape:
        loss = agent.losses(transitions, SEED)["critic"]
    found = tape.gradient(loss, variables)
    _, second = tf.random.experimental.stateless_split(SEED, 2)
    next_a, next_log_prob = agent._next_action(transitions, second)

    def expected(is_fixed):
        with tf.GradientTape() as tape:
            q, next_q, _ = agent._critics.joint(
                transitions.observation,
                transitions.action,
                transitions.next_observation,
                next_a,
                tf.constant(0.0),
            )
            target = agent._target(transitions, next_q, next_log_prob)
            target = tf.constant(target.numpy()) if is_fixed else target
            loss = 0.5 * tf.reduce_sum(tf.reduce_mean((q - target) ** 2, axis=1))
        return tape.gradient(loss, variables)

    fixed, residual = expected(is_fixed=True), expected(is_fixed=False)
    for gradient, of_fixed in zip(found, fixed, strict=True):
        np.testing.assert_allclose(gradient, of_fixed, rtol=1e-3, atol=1e-5)
    assert any(np.any(np.abs(a - b) > 1e-3) for a, b in zip(fixed, residual, strict=True))


def test_no_loss_reaches_what_another_alone_should_train():
    """The actor's reaches the critics, on the way, but they are in the critics' group alone."""
    agent = make()
    with tf.GradientTape(persistent=True) as tape:
        losses = agent.losses(batch(), SEED)
    critics, policy = agent._critics.trainable_variables, agent.policy.trainable_variables
    for loss, others in {
        "critic": (*policy, agent._log_alpha),
        "actor": (agent._log_alpha,),
        "alpha": (*policy, *critics),
    }.items():
        assert all(gradient is None for gradient in tape.gradient(losses[loss], list(others)))


def test_each_group_has_its_loss_period_and_optimiser():
    agent = make()
    critic, actor, alpha = agent.parameter_groups()
    assert [group.loss for group in (critic, actor, alpha)] == ["critic", "actor", "alpha"]
    assert [group.period for group in (critic, actor, alpha)] == [1, 3, 3]
    assert [group.optimizer.beta_1 for group in (critic, actor, alpha)] == [0.5, 0.5, 0.9]
    assert all(group.learning_rate == 1e-3 for group in (critic, actor, alpha))
    with tf.GradientTape(persistent=True) as tape:
        losses = agent.losses(batch(), SEED)
    for group, module in ((critic, agent._critics), (actor, agent.policy)):
        # No running statistic is among what is trained.
        assert {v.ref() for v in group.variables} == {v.ref() for v in module.trainable_variables}
        for gradient in tape.gradient(losses[group.loss], list(group.variables)):
            assert np.any(gradient != 0)


def step_of(learner, *, is_good=True, seed=0):
    """One gradient step, by a superbatch of one."""
    superbatch = make_transitions(1, 32, seed=seed)
    if not is_good:
        superbatch.reward[0, 3] = np.nan
    learner.step(superbatch)


def changed(before, after):
    return [not np.array_equal(old, new) for old, new in zip(before, after, strict=True)]


def test_statistics_move_with_each_update_and_the_actor_and_alpha_at_every_third_step():
    learner = LEARNERS.take(crossq.Agent, SMALL)
    agent = learner.agent
    for step in range(1, 7):
        critics, actor = statistics_of(agent._critics), statistics_of(agent.policy)
        policy = [variable.numpy() for variable in agent.policy.trainable_variables]
        alpha = agent._log_alpha.numpy()
        step_of(learner, seed=step)
        is_due = step % 3 == 0
        assert all(changed(critics, statistics_of(agent._critics)))
        assert set(changed(actor, statistics_of(agent.policy))) == {is_due}
        assert set(changed(policy, agent.policy.trainable_variables)) == {is_due}
        assert (alpha != agent._log_alpha.numpy()) == is_due
    assert (agent._critic_updates.numpy(), agent._actor_updates.numpy()) == (6, 2)


def test_statistics_move_once_by_the_moments_of_the_step_s_own_pass():
    learner = LEARNERS.take(crossq.Agent, SMALL)
    agent = learner.agent
    superbatch = make_transitions(1, 32)
    transitions = tf.nest.map_structure(lambda x: tf.constant(x[0]), superbatch)
    _, moments = agent.losses_and_statistics(transitions, learner._step_seed(0))
    first = agent._critics._twins[0].layers()
    learner.step(superbatch)
    for layer, found in zip(first, moments["critics"][0], strict=True):
        # From a mean of 0 and a variance of 1.
        of = layer.normalization
        np.testing.assert_allclose(of.mean, 0.01 * found.mean, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(of.variance, 0.99 + 0.01 * found.variance, rtol=1e-4)


def test_a_skipped_step_moves_nothing():
    learner = LEARNERS.take(crossq.Agent, SMALL)
    for seed in (0, 1):
        step_of(learner, seed=seed)
    before = [variable.numpy() for variable in learner.agent.variables]
    # The third, at which the actor would have moved.
    step_of(learner, is_good=False)
    assert learner.skipped_steps == 1
    assert not any(changed(before, learner.agent.variables))


# That a restored learner continues bit for bit: tests/launch/checks/test_agent.py.
def test_what_actors_get_has_the_running_statistics():
    learner = LEARNERS.take(crossq.Agent, SMALL)
    before = learner.parameters()
    for seed in range(3):
        step_of(learner, seed=seed)
    policy = crossq.Agent.make_policy(SMALL, make_spec())
    assert learner.parameters().dtype == np.float32
    assert learner.parameters().size == sum(np.prod(v.shape) for v in policy.variables)
    assert len(statistics_of(policy)) == 4
    assert np.any(learner.parameters() != before)


def test_metrics_and_value_are_by_the_running_statistics():
    agent = make()
    transitions = batch()
    seeds = tf.random.experimental.stateless_split(SEED, 2)
    s, next_s = transitions.observation, transitions.next_observation
    action, log_prob = draw(agent.policy(s), seeds[0])
    next_action, next_log_prob = draw(agent.policy(next_s), seeds[1])
    next_value = q_of(agent, next_s, next_action, training=False).min(axis=0) - 0.5 * next_log_prob
    target = transitions.reward + 0.99 * transitions.discount * next_value
    error = target - q_of(agent, s, transitions.action, training=False)
    value = q_of(agent, s, action, training=False).min(axis=0) - 0.5 * log_prob
    metrics = agent.metrics(transitions, SEED)
    expected = {
        "td_error": np.mean(np.abs(error)),
        "value": np.mean(value),
        "entropy": -np.mean(log_prob),
        "alpha": 0.5,
    }
    assert metrics.keys() == expected.keys()
    for name, number in expected.items():
        np.testing.assert_allclose(metrics[name], number, rtol=1e-4, err_msg=name)
    q = q_of(agent, s, agent.policy(s).mode(), training=False)
    np.testing.assert_allclose(agent.value(s), np.min(q, axis=0), rtol=1e-4, atol=1e-4)
