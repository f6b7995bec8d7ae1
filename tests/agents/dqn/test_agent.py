"""The loss is the paper's on the agent's own networks, by hand; and what moves when."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from acme import specs
from scipy import special

from quinoa.agents import dqn, networks, preprocessing, protocol
from quinoa.agents.learner import Learner
from quinoa.agents.numpy_policy import arrays_of
from quinoa.agents.parameter_vector import unflatten
from quinoa.agents.policies import standalone
from quinoa.agents.replay import NStepReplay, UniformReplay
from quinoa.agents.types import STATES_BETWEEN, WEIGHTS_BETWEEN
from quinoa.launch.checks.subject import random_transitions
from tests.agents.fixtures import make_spec, perturb
from tests.agents.learners import LearnerPool

PRESET = pytest.mark.parametrize("preset", dqn.PRESETS)
DOUBLE = pytest.mark.parametrize("double", [False, True])
SEED = tf.constant([1, 2])
ACTIONS = 4
SPEC = make_spec(actions=specs.DiscreteArray(ACTIONS))
LEARNERS = LearnerPool(SPEC)
# Periods such that targets and ε move several times in a few steps.
SMALL = dqn.Config(hidden_sizes=(8,), batch_size=16, target_period=3, epsilon_steps=10)


@pytest.fixture(autouse=True)
def _learners_are_taken_for_one_test():
    LEARNERS.give_back()


def make(preset="dqn", **changes):
    """An agent whose target is not its Q."""
    changes = {"hidden_sizes": (8,), "tau": 0.3, **changes}
    config = dataclasses.replace(dqn.PRESETS[preset], **changes)
    tf.random.set_seed(0)
    agent = dqn.Agent(config, SPEC)
    perturb([*agent.policy.trainable_variables, *agent._target.trainable_variables], 0.5)
    return agent


def batch(size=32):
    return tf.nest.map_structure(tf.constant, random_transitions(SPEC, size))


def arrays(transitions):
    """The first five fields as NumPy arrays."""
    return [field.numpy() for field in transitions[:5]]


def q_of(policy, states):
    """Q(s, ·) by hand, float64 [B, n]."""
    x = np.asarray(states, np.float64)
    for index, layer in enumerate(networks.layers_of(policy._network)):
        x = np.maximum(x, 0.0) if index else x
        x = x @ layer.weights.numpy() + layer.biases.numpy()
    return x


def value_of(preset, q, chooser, tau):
    """V(s) by Eq. 81, and by Eq. 26 for the Boltzmann policy, which is Eq. 82 and 83."""
    if preset == "dqn":
        return q[np.arange(len(q)), chooser.argmax(axis=1)]
    policy = special.softmax(chooser / tau, axis=1)
    if preset == "soft_dqn_kl":
        return np.sum(policy * q - tau * special.rel_entr(policy, 1.0 / ACTIONS), axis=1)
    return np.sum(policy * q + tau * special.entr(policy), axis=1)


@PRESET
@DOUBLE
def test_the_loss_is_that_of_the_backup(preset, double):
    agent = make(preset, double=double, discount=0.9)
    transitions = batch()
    s, a, r, d, next_s = arrays(transitions)
    next_q = q_of(agent._target, next_s)
    chooser = q_of(agent.policy, next_s) if double else next_q
    target = r + 0.9 * d * value_of(preset, next_q, chooser, 0.3)
    error = np.abs(q_of(agent.policy, s)[np.arange(32), a] - target)
    assert np.any(error > 1.0) and np.any(error < 1.0)
    expected = np.mean(np.where(error < 1.0, 0.5 * error**2, error - 0.5))
    losses = agent.losses(transitions, SEED)
    assert losses.keys() == {"td"}
    np.testing.assert_allclose(losses["td"], expected, rtol=1e-4)


def batch_of_steps(config, size=32):
    """A batch with the states between, of which the last are missing in every third row."""
    transitions, rng = random_transitions(SPEC, size), np.random.default_rng(5)
    states = rng.normal(size=(size, config.n_step - 1, 3)).astype(np.float32)
    weights = np.tile(0.9 ** np.arange(1, config.n_step), (size, 1)).astype(np.float32)
    weights[::3, 1:] = 0.0
    extras = {STATES_BETWEEN: states, WEIGHTS_BETWEEN: weights}
    return tf.nest.map_structure(tf.constant, transitions._replace(extras=extras))


@pytest.mark.parametrize("preset", ["soft_dqn_kl", "soft_dqn_entropy"])
@DOUBLE
def test_a_soft_target_of_n_steps_has_the_penalties_of_the_states_between(preset, double):
    """Eq. 46: that of the first step is taken out, and the last state's value has its own."""
    agent = make(preset, double=double, discount=0.9, n_step=4, huber_delta=0.0)
    transitions = batch_of_steps(agent._config)
    s, a, r, d, next_s = arrays(transitions)
    network = agent.policy if double else agent._target
    policy = special.softmax(q_of(network, transitions.extras[STATES_BETWEEN]) / 0.3, axis=-1)
    penalty = -np.sum(special.entr(policy), axis=-1)
    if preset == "soft_dqn_kl":
        penalty = np.sum(special.rel_entr(policy, 1.0 / ACTIONS), axis=-1)
    r = r - 0.3 * np.sum(transitions.extras[WEIGHTS_BETWEEN].numpy() * penalty, axis=-1)
    next_q = q_of(agent._target, next_s)
    chooser = q_of(agent.policy, next_s) if double else next_q
    target = r + 0.9 * d * value_of(preset, next_q, chooser, 0.3)
    error = q_of(agent.policy, s)[np.arange(32), a] - target
    loss = agent.losses(transitions, SEED)["td"]
    np.testing.assert_allclose(loss, np.mean(0.5 * error**2), rtol=1e-4)
    with tf.GradientTape() as tape:
        tape.watch(transitions.extras[STATES_BETWEEN])
        loss = agent.losses(transitions, SEED)["td"]
    assert tape.gradient(loss, transitions.extras[STATES_BETWEEN]) is None


@pytest.mark.parametrize("preset", ["soft_dqn_kl", "soft_dqn_entropy"])
def test_the_states_between_are_normalised_like_the_others(preset):
    config = dataclasses.replace(
        dqn.PRESETS[preset], hidden_sizes=(8,), n_step=4, normalize_observations=True
    )
    agent = preprocessing.applied(dqn.Agent, config)(config, SPEC)
    transitions = batch_of_steps(config)
    agent.initialize(transitions)
    seen = agent._seen(transitions).extras
    expected = agent.policy.normalized(transitions.extras[STATES_BETWEEN])
    np.testing.assert_array_equal(seen[STATES_BETWEEN], expected)
    assert np.any(seen[STATES_BETWEEN] != transitions.extras[STATES_BETWEEN])
    np.testing.assert_array_equal(seen[WEIGHTS_BETWEEN], transitions.extras[WEIGHTS_BETWEEN])


def test_the_six_variants_have_different_targets():
    transitions = batch()
    variants = [make(preset, double=double) for preset in dqn.PRESETS for double in (False, True)]
    found = [float(agent.losses(transitions, SEED)["td"]) for agent in variants]
    assert len({round(loss, 4) for loss in found}) == len(variants)


@pytest.mark.parametrize("preset", ["soft_dqn_kl", "soft_dqn_entropy"])
@DOUBLE
def test_as_tau_goes_to_0_a_soft_loss_is_the_standard_one(preset, double):
    transitions = batch()
    standard = make("dqn", double=double).losses(transitions, SEED)["td"]
    soft = make(preset, double=double, tau=1e-5).losses(transitions, SEED)["td"]
    np.testing.assert_allclose(soft, standard, rtol=1e-4)


@PRESET
@DOUBLE
def test_gradients_reach_q_and_no_target(preset, double):
    agent = make(preset, double=double)
    (group,) = agent.parameter_groups()
    trained = agent.policy.trainable_variables
    assert {each.ref() for each in group.variables} == {each.ref() for each in trained}
    # In a state of zeros the first weights get a gradient by way of the next state alone.
    transitions = batch()
    transitions = transitions._replace(observation=tf.zeros_like(transitions.observation))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(agent._target.variables)
        loss = agent.losses(transitions, SEED)["td"]
    assert all(each is None for each in tape.gradient(loss, agent._target.variables))
    first = networks.layers_of(agent.policy._network)[0]
    assert not np.any(tape.gradient(loss, first.weights))
    assert np.any(tape.gradient(loss, first.biases))


@PRESET
def test_a_termination_has_no_next_value_and_a_time_limit_has(preset):
    agent = make(preset)
    transitions = batch()
    for discount, same in ((0.0, True), (1.0, False)):
        each = transitions._replace(discount=tf.fill(transitions.discount.shape, discount))
        elsewhere = each._replace(next_observation=each.next_observation + 1.0)
        losses = [agent.losses(of, SEED)["td"] for of in (each, elsewhere)]
        assert bool(losses[0] == losses[1]) == same


@PRESET
def test_value_and_metrics_are_what_they_say(preset):
    agent = make(preset)
    transitions = batch()
    s, a, r, d, next_s = arrays(transitions)
    q, next_q = q_of(agent.policy, s), q_of(agent._target, next_s)
    value = value_of(preset, q, q, 0.3)
    np.testing.assert_allclose(agent.value(s), value, rtol=1e-4, atol=1e-5)
    target = r + 0.99 * d * value_of(preset, next_q, next_q, 0.3)
    error = np.abs(q[np.arange(32), a] - target)
    expected = {"td_error": error.mean(), "value": value.mean(), "epsilon": 1.0}
    metrics = agent.metrics(transitions, SEED)
    assert metrics.keys() == expected.keys()
    for name, number in expected.items():
        np.testing.assert_allclose(metrics[name], number, rtol=1e-4, err_msg=name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("adam", protocol.Adam()),
        ("rmsprop", protocol.RMSProp(decay=0.95, epsilon=0.01, centered=True)),
    ],
)
def test_the_optimizer_is_the_one_that_is_named(name, expected):
    (group,) = make(optimizer=name, learning_rate=2e-3).parameter_groups()
    assert (group.optimizer, group.learning_rate) == (expected, 2e-3)


def layers(policy):
    return [variable.numpy() for variable in policy.trainable_variables]


def test_q_is_copied_to_its_target_at_multiples_of_the_period_alone():
    agent = make(target_period=3)
    for step in range(1, 8):
        for variable in agent.policy.trainable_variables:
            variable.assign_add(tf.ones_like(variable))
        before = layers(agent._target)
        agent.after_step(tf.constant(step, tf.int64), batch(), SEED)
        expected = layers(agent.policy) if step % 3 == 0 else before
        for found, wanted in zip(layers(agent._target), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_epsilon_falls_linearly_with_gradient_steps_and_then_stays():
    agent = make(epsilon_start=0.9, epsilon_end=0.1, epsilon_steps=8)
    np.testing.assert_array_equal(agent.policy.epsilon, [np.float32(0.9)])
    for step, expected in ((1, 0.8), (4, 0.5), (7, 0.2), (8, 0.1), (10**9, 0.1)):
        agent.after_step(tf.constant(step, tf.int64), batch(), SEED)
        np.testing.assert_allclose(agent.policy.epsilon, [expected], rtol=1e-6)
    # To the last bit, however small it is: log ε is to be finite.
    agent = make(epsilon_end=1e-12, epsilon_steps=2)
    agent.after_step(tf.constant(5, tf.int64), batch(), SEED)
    np.testing.assert_array_equal(agent.policy.epsilon, [np.float32(1e-12)])


def step_of(learner, *, is_good=True, seed=0):
    """One gradient step, by a superbatch of one."""
    superbatch = random_transitions(SPEC, 1, 16, seed=seed)
    if not is_good:
        superbatch.reward[0, 3] = np.nan
    learner.step(superbatch)


def test_in_the_learner_targets_and_epsilon_move_within_a_call():
    learner = LEARNERS.take(dqn.Agent, SMALL)
    agent = learner.agent
    learner.step(random_transitions(SPEC, 4, 16))
    np.testing.assert_allclose(agent.policy.epsilon, [1.0 - 0.95 * 0.4], rtol=1e-6)
    # Copied after the third step, and so one step behind.
    for mine, theirs in zip(layers(agent.policy), layers(agent._target), strict=True):
        assert np.any(mine != theirs)
    for seed in (1, 2):
        step_of(learner, seed=seed)
    for mine, theirs in zip(layers(agent.policy), layers(agent._target), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_skipped_step_moves_nothing():
    learner = LEARNERS.take(dqn.Agent, SMALL)
    for seed in (0, 1):
        step_of(learner, seed=seed)
    before = [variable.numpy() for variable in learner.agent.variables]
    # The third, at which the target would have been copied.
    step_of(learner, is_good=False)
    assert learner.skipped_steps == 1
    for variable, was in zip(learner.agent.variables, before, strict=True):
        np.testing.assert_array_equal(variable, was)


def test_a_restored_learner_continues_bit_for_bit(tmp_path):
    """With ε and the target, which are due at other steps, as they were."""
    one, other = LEARNERS.take(dqn.Agent, SMALL), LEARNERS.take(dqn.Agent, SMALL, seed=1)
    for seed in range(4):
        step_of(one, seed=seed)
    other.restore(one.save(str(tmp_path / "checkpoint")))
    for learner in (one, other):
        for seed in range(4, 7):
            step_of(learner, seed=seed)
    for variable, restored in zip(one.state, other.state, strict=True):
        np.testing.assert_array_equal(variable, restored)


def test_what_actors_get_has_epsilon_in_it():
    learner = LEARNERS.take(dqn.Agent, SMALL)
    step_of(learner)
    policy = dqn.Agent.make_policy(SMALL, SPEC)
    np.testing.assert_array_equal(policy.epsilon, [1.0])
    unflatten(policy, learner.parameters())
    np.testing.assert_array_equal(policy.epsilon, learner.agent.policy.epsilon)
    states = tf.constant(random_transitions(SPEC, 50).observation)
    seed = tf.constant([5, 6])
    np.testing.assert_array_equal(
        policy(states).sample(seed=seed), learner.agent.policy(states).sample(seed=seed)
    )


def test_of_normalised_observations_the_numpy_policy_has_epsilon_too():
    config = dataclasses.replace(SMALL, normalize_observations=True, epsilon_start=0.25)
    policy = preprocessing.applied(dqn.Agent, config).make_policy(config, SPEC)
    form = arrays_of(policy)
    assert form is not None
    np.testing.assert_array_equal(form["epsilon"], [0.25])
    states = random_transitions(SPEC, 50).observation
    expected = policy(tf.constant(states)).mode()
    np.testing.assert_array_equal(standalone.Policy.from_arrays(form).mode(states), expected)


@pytest.mark.parametrize("scale_rewards", [False, True])
def test_its_source_makes_n_step_transitions_where_it_is_told_to(scale_rewards):
    for n, kind in ((1, UniformReplay), (3, NStepReplay)):
        config = dataclasses.replace(SMALL, n_step=n, scale_rewards=scale_rewards)
        agent_class = preprocessing.applied(dqn.Agent, config)
        source = agent_class.make_source(config, SPEC, num_environments=2, steps_per_call=5)
        assert type(source) is kind
        assert (source.steps_per_call, source.capacity) == (5, config.max_replay_size)
        # Of an index as the action, and what the actor adds.
        assert source.layout.width == 2 * 3 + 1 + 3 + scale_rewards


def test_soft_targets_of_n_steps_refuse_images_in_one_sentence():
    images = make_spec(
        observations=specs.BoundedArray((8, 8, 2), np.uint8, 0, 1),
        actions=specs.DiscreteArray(ACTIONS),
    )
    config = dataclasses.replace(SMALL, n_step=3, backup="kl")
    with pytest.raises(
        protocol.SpecError, match=r"n_step = 3 .* images, .*: leave n_step"
    ) as error:
        dqn.Agent(config, images)
    assert "\n" not in str(error.value)
    dqn.Agent.make_policy(dataclasses.replace(SMALL, n_step=3), images)


def test_actions_from_a_box_are_refused_in_one_sentence():
    makers: list[Any] = [dqn.Agent, dqn.Agent.make_policy]
    for make_it in makers:
        with pytest.raises(
            protocol.SpecError, match="takes actions from a finite set, but"
        ) as error:
            make_it(SMALL, make_spec())
        assert "\n" not in str(error.value)


CHAIN, DISCOUNT = 5, 0.9


def chain():
    """Every transition of a chain with a reward of 1 at its right end, where an episode ends.

    Returns:
        For each state and action, left or right: the next state, the reward and the discount.
    """
    states = np.arange(CHAIN)
    next_states = np.stack([np.maximum(states - 1, 0), np.minimum(states + 1, CHAIN - 1)], axis=1)
    rewards, discounts = np.zeros((CHAIN, 2)), np.ones((CHAIN, 2))
    rewards[-1, 1], discounts[-1, 1] = 1.0, 0.0
    return next_states, rewards, discounts


@PRESET
def test_it_learns_the_fixed_point_of_its_backup(preset):
    """Of a chain, whose Q is found exactly by iteration of the same backup."""
    next_states, rewards, discounts = chain()
    exact = np.zeros((CHAIN, 2))
    for _ in range(500):
        values = exact.max(axis=1)
        if preset != "dqn":
            values = 0.1 * special.logsumexp(exact / 0.1, axis=1)
        if preset == "soft_dqn_kl":
            values -= 0.1 * np.log(2.0)
        exact = rewards + DISCOUNT * discounts * values[next_states]
    spec = make_spec(CHAIN, actions=specs.DiscreteArray(2))
    config = dataclasses.replace(
        dqn.PRESETS[preset],
        discount=DISCOUNT,
        hidden_sizes=(32,),
        batch_size=32,
        learning_rate=3e-3,
        target_period=40,
    )
    learner, rng = Learner(dqn.Agent, config, spec, seed=0), np.random.default_rng(0)
    one_hot = np.eye(CHAIN, dtype=np.float32)
    for _ in range(24):
        s, a = rng.integers(CHAIN, size=(100, 32)), rng.integers(2, size=(100, 32))
        superbatch = random_transitions(spec, 100, 32)._replace(
            observation=one_hot[s],
            action=a.astype(np.int32),
            reward=rewards[s, a].astype(np.float32),
            discount=discounts[s, a].astype(np.float32),
            next_observation=one_hot[next_states[s, a]],
        )
        learner.step(superbatch)
    policy, states = learner.agent.policy, tf.constant(one_hot)
    found = policy.q(states)
    np.testing.assert_allclose(found, exact, atol=0.03)
    is_clear = exact[:, 1] - exact[:, 0] > 0.1
    assert is_clear.sum() >= 2
    np.testing.assert_array_equal(policy(states).mode().numpy()[is_clear], 1)


@PRESET
def test_it_learns_of_images_what_it_learns_of_vectors(preset):
    """Rewards follow one pixel, which the first layer has to find among bytes."""
    spec = SPEC._replace(observations=specs.BoundedArray((6, 5, 2), np.uint8, 0, 255))
    config = dataclasses.replace(dqn.PRESETS[preset], batch_size=64, discount=0.0)
    learner = Learner(dqn.Agent, config, spec, seed=0)
    for seed in range(6):
        batches = random_transitions(spec, 50, 64, seed=seed)
        bright = batches.observation[..., 2, 3, 1] > 127
        reward = np.where(bright, batches.action == 1, batches.action == 2).astype(np.float32)
        metrics = learner.step(batches._replace(reward=reward))
    images = random_transitions(spec, 200, seed=99).observation
    q = learner.agent.action_values(tf.constant(images))
    assert q is not None
    best = q.numpy().argmax(axis=1)
    bright = images[..., 2, 3, 1] > 127
    assert np.mean(best == np.where(bright, 1, 2)) > 0.9
    assert float(metrics["td_error"]) < 0.2
