"""The agent's losses are soft Q-learning's on its own networks, and each trains what it should."""

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import sql
from quinoa.agents.learner import Learner
from quinoa.agents.sql import loss as sql_loss
from tests.agents.fixtures import make_batch, make_spec, make_transitions, perturb

SEED = tf.constant([1, 2])
UNIFORM = pytest.mark.parametrize("is_uniform", [True, False])


def make(**changes):
    """An agent whose target is not its Q."""
    settings = {"num_particles": 6, "num_value_samples": 5, **changes}
    tf.random.set_seed(0)
    agent = sql.Agent(sql.Config(hidden_sizes=(8,), **settings), make_spec())
    perturb(agent.trainable_variables)
    return agent


@UNIFORM
def test_q_learns_the_soft_value_by_uniform_proposals_first_and_then_the_samplers(is_uniform):
    agent = make(discount=0.9, alpha=0.5, uniform_steps=10)
    agent.after_step(tf.constant(9 if is_uniform else 10, tf.int64), make_batch(), SEED)
    s, a, r, d, next_s, *_ = transitions = make_batch()
    first, _ = tf.random.experimental.stateless_split(SEED, 2)
    if is_uniform:
        action = tf.random.stateless_uniform([32, 5, 2], first, -1.0, 1.0)
        log_q = np.full((32, 5), -2.0 * np.log(2.0))
    else:
        y, log_prob = agent.policy.sample_and_log_prob(next_s, 5, first)
        action = tf.tanh(y)
        # The density of tanh y is that of y over the slope.
        log_q = log_prob - np.sum(np.log(1.0 - np.square(action)), axis=-1)
    rows = tf.reshape(action, [-1, 2])
    q = agent._target_q(tf.repeat(next_s, 5, axis=0), rows).numpy().reshape(32, 5)
    next_value = 0.5 * np.log(np.mean(np.exp(q / 0.5 - log_q), axis=1))
    error = agent._q(s, a) - (r + 0.9 * d * next_value)
    losses = agent.losses(transitions, SEED)
    assert losses.keys() == {"q", "sampler"}
    np.testing.assert_allclose(losses["q"], 0.5 * np.mean(error**2), rtol=1e-3)


@pytest.mark.parametrize("map_policy", [False, True])
def test_the_sampler_follows_stein_s_direction_in_y(map_policy):
    """The energy is that of exp(Q/α) on the box, as a density of y = atanh(a)."""
    agent = make(alpha=0.5, map_policy=map_policy)
    s = make_batch().observation
    _, second = tf.random.experimental.stateless_split(SEED, 2)
    drawn = agent.policy.draw(s, 12, second)
    particles, moved = drawn[:, :6], drawn[:, 6:]
    with tf.GradientTape() as tape:
        tape.watch(particles)
        a = tf.tanh(particles)
        q = agent._q(tf.repeat(s, 6, axis=0), tf.reshape(a, [-1, 2]))
        log_density = tf.reshape(q, [32, 6]) / 0.5 + tf.reduce_sum(tf.math.log(1.0 - a**2), axis=-1)
    gradient = 0.5 * tape.gradient(log_density, particles)
    direction = sql_loss.stein_direction(particles, moved, gradient, 0.5, repels=not map_policy)
    expected = -np.mean(np.sum(direction * moved, axis=-1))
    np.testing.assert_allclose(agent.losses(make_batch(), SEED)["sampler"], expected, rtol=1e-3)


@UNIFORM
def test_each_group_has_its_loss_and_every_trained_variable_a_gradient(is_uniform):
    agent = make(uniform_steps=5 if is_uniform else 0)
    groups = {group.loss: group for group in agent.parameter_groups()}
    expected = {
        "q": (agent._q.trainable_variables, 1e-3),
        "sampler": (agent.policy.trainable_variables, 1e-4),
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
    of_target = list(agent._target_q.variables)
    none = tape.gradient(losses["q"], [*of_target, *agent.policy.trainable_variables])
    none += tape.gradient(losses["sampler"], [*of_target, *agent._q.trainable_variables])
    assert all(gradient is None for gradient in none)


def test_the_target_is_copied_once_in_a_period_and_starts_as_q():
    s, a = make_batch().observation, make_batch().action
    agent = sql.Agent(sql.Config(hidden_sizes=(8,)), make_spec())
    np.testing.assert_array_equal(agent._q(s, a), agent._target_q(s, a))
    agent = make(target_period=3)
    for step in (1, 2, 3):
        assert np.any(agent._q(s, a) != agent._target_q(s, a))
        agent.after_step(tf.constant(step, tf.int64), make_batch(), SEED)
    np.testing.assert_array_equal(agent._q(s, a), agent._target_q(s, a))


def test_alpha_falls_log_linearly_where_it_is_told_to():
    assert float(make(alpha=0.3)._alpha()) == pytest.approx(0.3)
    agent = make(alpha=1.0, final_alpha=0.01, alpha_steps=100)
    found = []
    for step in (0, 50, 100, 1000):
        agent._steps.assign(step)
        found.append(float(agent._alpha()))
    assert found == pytest.approx([1.0, 0.1, 0.01, 0.01])


def test_the_set_of_noise_shrinks_linearly_to_one_vector_for_acting_and_learning():
    agent = make(noise_set_size=11, alpha_steps=100)
    sizes = [float(agent.policy.set_size[0])]
    for step in (1, 50, 99, 100, 1000):
        agent.after_step(tf.constant(step, tf.int64), make_batch(), SEED)
        sizes.append(float(agent.policy.set_size[0]))
    assert sizes == [11, 11, 6, 2, 1, 1]
    s = make_batch(2).observation
    # With one vector all actions in a state are one, for actors and as particles.
    particles = agent.policy.draw(s, 12, SEED)
    np.testing.assert_array_equal(particles, tf.repeat(particles[:, :1], 12, axis=1))
    actions = agent.policy(s).sample(3, seed=tf.constant([7, 8]))
    np.testing.assert_allclose(actions, tf.repeat(np.tanh(particles[:, 0])[None], 3, axis=0), 1e-5)
    # And the direction of the sampler is the gradient: nothing is apart from it to be repelled.
    assert np.all(np.isfinite(agent.losses(make_batch(), SEED)["sampler"]))


def test_annealing_goes_on_where_a_checkpoint_has_it(tmp_path):
    config = sql.Config(
        hidden_sizes=(8,), final_alpha=0.01, noise_set_size=7, alpha_steps=12, num_particles=4
    )
    stopped, resumed = (Learner(sql.Agent, config, make_spec(), seed=seed) for seed in (0, 1))
    # As after six gradient steps.
    stopped.agent.after_step(tf.constant(6, tf.int64), make_batch(), SEED)
    resumed.restore(stopped.save(str(tmp_path / "learner")))
    assert float(resumed.agent.policy.set_size[0]) == 4.0
    assert float(resumed.agent._alpha()) == pytest.approx((0.1 * 0.01) ** 0.5)
    for learner in (stopped, resumed):
        learner.agent.after_step(tf.constant(7, tf.int64), make_batch(), SEED)
    np.testing.assert_array_equal(resumed.parameters(), stopped.parameters())
    ours, theirs = (each.agent.losses(make_batch(), SEED) for each in (resumed, stopped))
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])


def test_a_termination_has_no_next_value_and_a_time_limit_has():
    agent = make()
    transitions = make_batch()
    ended = transitions._replace(discount=tf.zeros(32))
    np.testing.assert_array_equal(agent._target(ended, SEED), transitions.reward)
    continued = transitions._replace(discount=tf.ones(32))
    assert np.all(agent._target(continued, SEED) != transitions.reward)


def test_its_value_is_the_soft_maximum_of_q_over_the_box():
    agent = make(num_value_samples=3000, alpha=0.5)
    s = make_batch(2).observation
    side = np.linspace(-1.0, 1.0, 61, dtype=np.float32)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    q = np.stack([agent._q(tf.tile(s[i : i + 1], [len(grid), 1]), grid) for i in range(2)])
    expected = 0.5 * np.log(4.0 * np.mean(np.exp(q / 0.5), axis=1))
    np.testing.assert_allclose(agent.value(s), expected, atol=0.02)


@pytest.mark.long
def test_gradient_steps_sample_both_best_actions_of_a_bandit():
    """Terminal steps that reward −((|a₁| − ½)² + a₂²): the samples are at a₁ = ± ½, half each."""
    config = sql.Config(
        hidden_sizes=(32, 32),
        batch_size=32,
        learning_rate=3e-3,
        sampler_learning_rate=1e-3,
        alpha=0.1,
        num_particles=16,
        num_value_samples=4,
        discount=0.0,
    )
    learner = Learner(sql.Agent, config, make_spec(), seed=0)
    batches = make_transitions(3000, 32)
    first, second = np.moveaxis(batches.action, -1, 0)
    reward = -(np.square(np.abs(first) - 0.5) + np.square(second))
    metrics = learner.step(batches._replace(reward=reward))
    drawn = learner.agent.policy(batches.observation[0][:8]).sample(500, seed=SEED).numpy()
    share = np.mean(drawn[..., 0] > 0)
    assert 0.3 < share < 0.7
    # The deviation of exp(−x²/α) is 0.22, of which the mean distance is 0.18; uniform actions have
    # 0.25 and 0.5.
    assert np.mean(np.abs(np.abs(drawn[..., 0]) - 0.5)) < 0.22
    assert 0.1 < np.mean(np.abs(drawn[..., 1])) < 0.3
    assert metrics.keys() >= {"td_error", "value", "entropy", "alpha"}
