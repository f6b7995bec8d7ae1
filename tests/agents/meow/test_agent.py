"""Q, V and π are one flow; the loss is the equations on the agent's own networks."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import meow, targets
from quinoa.agents.learner import Learner
from quinoa.agents.meow import loss as meow_loss
from tests.agents.fixtures import make_batch, make_spec, make_transitions, perturb
from tests.agents.policies import densities

SEED = tf.constant([1, 2])
EDGES = np.array([-1.0, 0.0, 1.0])
SMALL = meow.Config(
    hidden_sizes=(8,),
    coupling_hidden_sizes=(16, 16),
    stddev_hidden_sizes=(8,),
    # So that the quadrature's nodes see the whole of a density.
    min_log_stddev=-2.0,
    alpha=0.2,
    batch_size=32,
)


def make(action_size=2, shake=0.3, **changes):
    """An agent of which nothing is what it starts as, and whose targets are not its networks."""
    tf.random.set_seed(0)
    agent = meow.Agent(dataclasses.replace(SMALL, **changes), make_spec(action_size=action_size))
    perturb(agent.variables, shake)
    return agent


def q_and_v(agent, s, a):
    """Q_i(s, a) and V_i(s), float32 [2, B] each."""
    flow, shifts, alpha = agent.policy(s), agent._shifts(s), agent._config.alpha
    return (
        meow_loss.shifted(flow.energy(a), shifts, alpha),
        meow_loss.shifted(flow.log_normalizer(), shifts, alpha),
    )


@pytest.mark.parametrize("action_size", [1, 2])
def test_v_is_the_soft_maximum_of_q_by_quadrature(action_size):
    agent = make(action_size)
    alpha = agent._config.alpha
    for state in make_batch(3, action_size=action_size).observation:
        for index in range(2):

            def q_over_alpha(actions, state=state, index=index):
                actions = actions.astype(np.float32)
                q, _ = q_and_v(agent, tf.repeat(state[None], len(actions), axis=0), actions)
                return q[index].numpy().astype(np.float64) / alpha

            integral = densities.cell_masses(q_over_alpha, EDGES, action_size).sum()
            one_action = tf.zeros([1, action_size])
            _, v = q_and_v(agent, state[None], one_action)
            np.testing.assert_allclose(v[index], [alpha * np.log(integral)], rtol=0, atol=1e-3)


@pytest.mark.parametrize("action_size", [1, 2])
def test_the_policy_integrates_to_one_over_the_box(action_size):
    agent = make(action_size)
    for state in make_batch(3, action_size=action_size).observation:
        log_prob = densities.log_prob_at(agent.policy, state.numpy())
        mass = densities.cell_masses(log_prob, EDGES, action_size).sum()
        assert mass == pytest.approx(1.0, abs=1e-4)


def test_the_policy_is_exp_of_the_advantage_over_alpha_under_both_shifts():
    agent = make()
    s, a, *_ = make_batch()
    q, v = q_and_v(agent, s, a)
    assert np.all(np.abs(q[0] - q[1]) > 1e-4)
    for index in range(2):
        advantage = (q[index] - v[index]) / agent._config.alpha
        np.testing.assert_allclose(agent.policy(s).log_prob(a), advantage, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(agent.value(s), np.min(v, axis=0))


def test_loss_is_the_soft_bellman_error_by_hand():
    agent = make(dropout=0.0)
    s, a, r, d, next_s, *_ = transitions = make_batch()
    log_stddev = agent._target_log_stddev(next_s).numpy()
    # −α log of what the targets' Gaussian is normalised by, and the lower of the shifts.
    normalizer = log_stddev.sum(axis=1) + np.log(2.0 * np.pi)
    next_value = 0.2 * normalizer + agent._target_shifts(next_s).numpy().min(axis=0)
    target = r.numpy() + 0.99 * d.numpy() * next_value

    flow, shifts = agent.policy(s), agent._shifts(s).numpy()
    y = np.arctanh(a.numpy())
    x = flow.pull(tf.constant(y))[0].numpy() / np.exp(agent.policy.log_stddev(s))
    energy = -0.5 * (x**2).sum(axis=1) - np.log(1.0 - a.numpy() ** 2).sum(axis=1)
    q = 0.2 * energy + shifts
    losses = agent.losses(transitions, SEED)
    assert losses.keys() == {"td"}
    expected = 0.5 * np.mean((q[0] - target) ** 2) + 0.5 * np.mean((q[1] - target) ** 2)
    np.testing.assert_allclose(losses["td"], expected, rtol=1e-4)


def test_a_termination_has_no_next_value_and_a_time_limit_has():
    agent, transitions = make(), make_batch()
    ended = transitions._replace(discount=tf.zeros(32))
    np.testing.assert_array_equal(agent._target(ended), transitions.reward)
    assert np.all(agent._target(transitions._replace(discount=tf.ones(32))) != transitions.reward)


def test_losses_follow_from_the_seed_which_says_what_is_dropped():
    agent, transitions = make(), make_batch()
    loss = agent.losses(transitions, SEED)["td"]
    np.testing.assert_array_equal(loss, agent.losses(transitions, SEED)["td"])
    assert loss != agent.losses(transitions, SEED + 1)["td"]
    without = make(dropout=0.0)
    first, second = (without.losses(transitions, seed)["td"] for seed in (SEED, SEED + 1))
    np.testing.assert_array_equal(first, second)


def test_what_acts_and_what_is_measured_has_no_dropout():
    with_it, without = make(dropout=0.5), make(dropout=0.0)
    s = make_batch().observation
    for first, second in [
        (with_it.policy(s).sample(seed=SEED), without.policy(s).sample(seed=SEED)),
        (with_it.policy(s).mode(), without.policy(s).mode()),
        (with_it.value(s), without.value(s)),
        *zip(
            with_it.metrics(make_batch(), SEED).values(),
            without.metrics(make_batch(), SEED).values(),
            strict=True,
        ),
    ]:
        np.testing.assert_array_equal(first, second)


def test_gradients_reach_flow_and_shifts_and_no_target():
    agent = make()
    with tf.GradientTape() as tape:
        loss = agent.losses(make_batch(), SEED)["td"]
    (group,) = agent.parameter_groups()
    expected = (*agent.policy.trainable_variables, *agent._shifts.trainable_variables)
    assert {v.ref() for v in group.variables} == {v.ref() for v in expected}
    assert group.learning_rate == 1e-3
    others = (*agent._target_log_stddev.variables, *agent._target_shifts.variables)
    gradients = tape.gradient(loss, [*group.variables, *others])
    assert all(np.any(gradient != 0) for gradient in gradients[: len(group.variables)])
    assert all(gradient is None for gradient in gradients[len(group.variables) :])


def test_the_targets_start_as_the_networks_and_follow_smoothly():
    agent = make(target_rate=0.25)
    online, target = agent._online_and_target()
    before = [variable.numpy() for variable in target]
    agent.after_step(tf.constant(7, tf.int64), make_batch(), SEED)
    for variable, mine, theirs in zip(target, online, before, strict=True):
        np.testing.assert_allclose(variable, 0.25 * mine + 0.75 * theirs, rtol=1e-5, atol=1e-6)
    new = meow.Agent(SMALL, make_spec())
    for mine, theirs in zip(*new._online_and_target(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    s = make_batch().observation
    np.testing.assert_array_equal(new._shifts(s), np.zeros([2, 32]))


def test_metrics_are_what_they_say():
    agent = make()
    s, a, *_ = transitions = make_batch()
    metrics = agent.metrics(transitions, SEED)
    q, _ = q_and_v(agent, s, a)
    error = agent._target(transitions) - q
    np.testing.assert_allclose(metrics["td_error"], np.mean(np.abs(error)), rtol=1e-5)
    np.testing.assert_allclose(metrics["value"], np.mean(agent.value(s)), rtol=1e-5)
    np.testing.assert_allclose(metrics["shift_difference"], np.mean(np.abs(q[0] - q[1])), rtol=1e-3)
    samples = agent.policy(tf.repeat(s, 500, axis=0)).sample(seed=tf.constant([5, 6]))
    log_prob = agent.policy(tf.repeat(s, 500, axis=0)).log_prob(samples)
    # On 32 samples, one a state, within four of their standard errors.
    assert abs(metrics["entropy"] + np.mean(log_prob)) < 4.0 * np.std(log_prob) / np.sqrt(32)
    assert metrics["clipped_actions"] == 0.0


def test_a_restored_learner_continues_bit_for_bit(tmp_path):
    """Dropout included, which follows from the learner's seed and the step."""
    data = tf.nest.map_structure(
        lambda field: np.asarray(field).reshape(2, 32, *field.shape[1:]), make_transitions(64)
    )
    config = dataclasses.replace(SMALL, num_couplings=2)
    one, other = (Learner(meow.Agent, config, make_spec(), seed) for seed in (0, 1))
    one.step(data)
    other.restore(one.save(str(tmp_path / "checkpoint")))
    for learner in (one, other):
        learner.step(data)
    assert one.skipped_steps == 0
    for first, second in zip(one.state, other.state, strict=True):
        np.testing.assert_array_equal(first, second)


def test_it_learns_the_soft_maximum_of_a_reward_of_one_step():
    """Where every step ends the episode, Q becomes r, V its soft maximum, and π their softmax."""
    config = dataclasses.replace(
        SMALL, alpha=0.1, hidden_sizes=(32,), dropout=0.0, batch_size=256, learning_rate=3e-3
    )
    learner = Learner(meow.Agent, config, make_spec(action_size=1), seed=0)
    rng = np.random.default_rng(0)
    centre = 0.5

    def superbatch(steps=50):
        data = make_transitions(steps, 256, action_size=1, seed=int(rng.integers(1 << 30)))
        y = np.arctanh(np.clip(data.action, -0.99, 0.99))
        return data._replace(
            # −½ α ((y − centre)/σ)² − α log(1 − a²) is what such a flow can be, here with σ = 0.5.
            reward=(0.1 * (-2.0 * (y - centre) ** 2 - np.log(1.0 - np.tanh(y) ** 2)))[..., 0],
            action=np.tanh(y).astype(np.float32),
            discount=np.zeros([steps, 256], np.float32),
        )

    for _ in range(20):
        metrics = learner.step(superbatch())
    assert metrics["td_error"] < 0.02
    agent = learner.agent
    assert isinstance(agent, meow.Agent)
    s = make_batch().observation
    expected = 0.1 * (np.log(0.5) + 0.5 * np.log(2.0 * np.pi))
    np.testing.assert_allclose(agent.value(s), np.full(32, expected), atol=0.03)
    np.testing.assert_allclose(agent.policy(s).mode(), np.full([32, 1], np.tanh(centre)), atol=0.05)


def test_copies_of_the_policy_alone_are_what_actors_have():
    agent, spec = make(), make_spec()
    alone = meow.Agent.make_policy(SMALL, spec)
    targets.copy(agent.policy.variables, alone.variables)
    s = make_batch().observation
    np.testing.assert_array_equal(alone(s).mode(), agent.policy(s).mode())
