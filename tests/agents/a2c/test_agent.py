"""The loss is the paper's on the agent's own networks, by hand; and where gradients go."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from acme import specs
from scipy import special

from quinoa.agents import a2c, protocol
from quinoa.agents.learner import Learner
from quinoa.agents.policies import CategoricalPolicy, TanhGaussianPolicy
from quinoa.agents.rollouts import Rollouts
from quinoa.launch.checks.subject import tensors
from tests.agents.a2c.segments import consecutive, evaluate
from tests.agents.fixtures import make_spec, perturb
from tests.agents.learners import LearnerPool

SEED = tf.constant([1, 2])
ACTIONS = 4
SPEC = make_spec(actions=specs.DiscreteArray(ACTIONS))
PRESET = pytest.mark.parametrize("preset", a2c.PRESETS)
SHARED = pytest.mark.parametrize("shared_trunk", [False, True])
SMALL = {"hidden_sizes": (8,), "batch_size": 24, "segment_length": 4, "tau": 0.3, "discount": 0.9}
LEARNERS = LearnerPool(SPEC)


@pytest.fixture(autouse=True)
def _learners_are_taken_for_one_test():
    LEARNERS.give_back()


def config_of(preset, **changes):
    settings: dict[str, Any] = {**SMALL, **changes}
    return dataclasses.replace(a2c.PRESETS[preset], **settings)


def make(preset="a2c", spec=SPEC, noise=0.5, **changes):
    """An agent whose V is not zero."""
    tf.random.set_seed(0)
    agent = a2c.Agent(config_of(preset, **changes), spec)
    perturb(agent.trainable_variables, noise)
    return agent


@PRESET
def test_of_one_choice_alone_a_product_is_the_finite_set(preset):
    """And a second choice that has one value only changes nothing."""
    transitions = consecutive(SPEC, 6, 4)
    expected = make(preset).losses(tensors(transitions), SEED)["a2c"]
    with_another = np.stack([transitions.action, np.zeros_like(transitions.action)], axis=-1)
    for numbers, action in (
        ([ACTIONS], transitions.action[..., None]),
        ([ACTIONS, 1], with_another),
    ):
        last = np.array(numbers) - 1
        spec = SPEC._replace(actions=specs.BoundedArray(last.shape, np.int32, 0, last))
        agent = make(preset, spec)
        for ours, theirs in zip(
            agent.trainable_variables, make(preset).trainable_variables, strict=True
        ):
            if ours.shape == theirs.shape:
                ours.assign(theirs)
            else:
                assert ours.shape[-1] == ACTIONS + 1
                ours.assign(tf.concat([theirs, tf.zeros_like(theirs[..., :1])], axis=-1))
        found = agent.losses(tensors(transitions._replace(action=action)), SEED)["a2c"]
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@SHARED
@pytest.mark.parametrize("returns", ["standard", "entropy", "kl"])
def test_the_loss_is_the_policy_s_and_the_value_s(returns, shared_trunk):
    agent = make(returns=returns, shared_trunk=shared_trunk)
    transitions = consecutive(SPEC, 6, 4)
    assert transitions.last.sum() > (transitions.discount == 0.0).sum() > 0
    of = evaluate(agent, transitions)
    kl = -of.entropy + np.log(ACTIONS) * (returns == "kl")
    policy_loss = np.mean(-of.log_prob * of.advantage + 0.3 * kl)
    losses = agent.losses(tensors(transitions), SEED)
    assert losses.keys() == {"a2c"}
    expected = policy_loss + 0.5 * np.mean(0.5 * of.advantage**2)
    np.testing.assert_allclose(losses["a2c"], expected, rtol=1e-4)


@SHARED
@pytest.mark.parametrize("returns", ["entropy", "kl"])
def test_the_loss_of_soft_q_learning_is_the_squared_error_of_q(returns, shared_trunk):
    agent = make("soft_q_a2c", returns=returns, shared_trunk=shared_trunk)
    transitions = consecutive(SPEC, 6, 4)
    of = evaluate(agent, transitions)
    log_reference = -np.log(ACTIONS) if returns == "kl" else 0.0
    q = of.value + 0.3 * (of.log_prob - log_reference)
    # Eq. 47, with Δ of n steps.
    target = 0.3 * (-of.entropy - log_reference) + of.value + of.advantage
    loss = agent.losses(tensors(transitions), SEED)["a2c"]
    np.testing.assert_allclose(loss, 0.5 * np.mean((q - target) ** 2), rtol=1e-4)


def test_q_is_the_one_whose_softmax_the_policy_is_and_v_its_soft_maximum():
    """So that what the loss regresses is the Q of soft Q-learning (Eq. 55 to 57)."""
    agent = make("soft_q_a2c")
    of = evaluate(agent, consecutive(SPEC, 6, 4))
    q = of.value[..., None] + 0.3 * of.log_policy
    np.testing.assert_allclose(special.softmax(q / 0.3, axis=-1), np.exp(of.log_policy))
    np.testing.assert_allclose(0.3 * special.logsumexp(q / 0.3, axis=-1), of.value)


def test_a_naive_bonus_is_not_in_the_returns_and_a_proper_one_is():
    transitions = tensors(consecutive(SPEC, 6, 4))
    standard, entropy, kl = (
        make(returns=returns)._evaluate(transitions, SEED)
        for returns in ("standard", "entropy", "kl")
    )
    last = transitions.last[:, 0]
    # Of a step without later ones it is the step's own bonus.
    found = (entropy.advantage - standard.advantage)[:, 0][last]
    np.testing.assert_allclose(found, 0.3 * entropy.entropy[:, 0][last], rtol=1e-3)
    assert np.all(entropy.advantage > standard.advantage)
    assert np.all(kl.advantage < standard.advantage)


@PRESET
def test_a_termination_has_no_next_value_and_a_time_limit_has(preset):
    agent = make(preset)
    transitions = consecutive(SPEC, 6, 4)
    transitions = transitions._replace(last=np.ones((6, 4), bool))
    for discount, same in ((0.0, True), (1.0, False)):
        each = transitions._replace(discount=np.full((6, 4), discount, np.float32))
        elsewhere = each._replace(next_observation=each.next_observation + 1.0)
        advantages = [agent._evaluate(tensors(of), SEED).advantage for of in (each, elsewhere)]
        assert bool(np.all(advantages[0] == advantages[1])) == same


@PRESET
@SHARED
def test_gradients_reach_policy_and_value_and_nothing_by_way_of_the_target(preset, shared_trunk):
    agent = make(preset, shared_trunk=shared_trunk)
    (group,) = agent.parameter_groups()
    assert {each.ref() for each in group.variables} == {
        each.ref() for each in agent.trainable_variables
    }
    transitions = tensors(consecutive(SPEC, 6, 4))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([transitions.next_observation, transitions.reward])
        loss = agent.losses(transitions, SEED)["a2c"]
    assert all(np.any(each) for each in tape.gradient(loss, list(group.variables)))
    assert tape.gradient(loss, transitions.next_observation) is None
    assert tape.gradient(loss, transitions.reward) is None


def test_a_shared_trunk_is_trained_by_both_and_actors_get_it():
    agent, apart = make(shared_trunk=True), make()
    policy = a2c.Agent.make_policy(config_of("a2c"), SPEC)
    for each in (agent, apart):
        shapes = [variable.shape for variable in each.policy.variables]
        assert shapes == [variable.shape for variable in policy.variables]
    of_trunk = agent.policy.trainable_variables[0]
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(agent.value(tf.ones([2, 3])))
    assert np.any(tape.gradient(value, of_trunk))
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(apart.value(tf.ones([2, 3])))
    assert tape.gradient(value, apart.policy.trainable_variables[0]) is None


@PRESET
def test_metrics_are_what_they_say(preset):
    agent = make(preset)
    transitions = consecutive(SPEC, 6, 4)
    of = evaluate(agent, transitions)
    expected = {
        "advantage": np.abs(of.advantage).mean(),
        "entropy": of.entropy.mean(),
        "value": of.value.mean(),
        "explained_variance": 1.0 - of.advantage.var() / (of.value + of.advantage).var(),
    }
    metrics = agent.metrics(tensors(transitions), SEED)
    assert metrics.keys() == expected.keys()
    for name, number in expected.items():
        np.testing.assert_allclose(metrics[name], number, rtol=1e-3, err_msg=name)
    states = transitions.observation[:, 0]
    np.testing.assert_allclose(agent.value(tf.constant(states)), of.value[:, 0], rtol=1e-4)


def test_the_variance_of_returns_that_do_not_differ_is_explained():
    agent = a2c.Agent(config_of("a2c", tau=0.0), SPEC)
    transitions = consecutive(SPEC, 6, 4)._replace(
        reward=np.zeros((6, 4), np.float32), last=np.ones((6, 4), bool)
    )
    assert agent.metrics(tensors(transitions), SEED)["explained_variance"] == 1.0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("adam", protocol.Adam(epsilon=1e-5)),
        ("rmsprop", protocol.RMSProp(decay=0.99, momentum=0.0, epsilon=1e-5, centered=False)),
        ("rmsprop_tf1", protocol.RMSProp(decay=0.99, epsilon=1e-5, tensorflow_1=True)),
    ],
)
def test_the_optimizer_is_the_one_that_is_named(name, expected):
    (group,) = make(optimizer=name, learning_rate=2e-3).parameter_groups()
    assert (group.optimizer, group.learning_rate) == (expected, 2e-3)


def test_its_source_is_a_queue_of_whole_segments():
    source = a2c.Agent.make_source(config_of("a2c"), SPEC, num_environments=6, steps_per_call=1)
    assert isinstance(source, Rollouts)
    assert source.blank().reward.shape == (1, 6, 4)


class TestOnABox:
    def test_the_policy_is_a_tanh_gaussian_and_the_entropy_an_estimate(self):
        spec = make_spec()
        agent = make("a2c", spec, batch_size=4000, segment_length=4)
        assert isinstance(agent.policy, TanhGaussianPolicy)
        assert isinstance(make("a2c").policy, CategoricalPolicy)
        transitions = consecutive(spec, 1000, 4)
        # The same state everywhere.
        state = np.broadcast_to(transitions.observation[:1, :1], transitions.observation.shape)
        found = agent._evaluate(tensors(transitions._replace(observation=state)), SEED).entropy
        action = agent.policy(tf.constant(state[:1, 0])).sample(100_000, seed=tf.constant([3, 4]))
        expected = -np.mean(agent.policy(tf.constant(state[:1, 0])).log_prob(action))
        np.testing.assert_allclose(np.mean(found), expected, atol=0.05)
        assert np.std(found) > 0.1

    def test_the_reference_is_uniform_on_the_box(self):
        assert make("a2c", make_spec(), returns="kl")._log_reference == -2 * np.log(2.0)
        assert make("a2c", returns="kl")._log_reference == -np.log(ACTIONS)
        choices = make_spec(actions=specs.BoundedArray((2,), np.int32, 0, [2, 4]))
        assert make("a2c", choices, returns="kl")._log_reference == pytest.approx(-np.log(15))

    @PRESET
    def test_gradients_reach_policy_and_value(self, preset):
        agent = make(preset, make_spec())
        (group,) = agent.parameter_groups()
        with tf.GradientTape() as tape:
            loss = agent.losses(tensors(consecutive(make_spec(), 6, 4)), SEED)["a2c"]
        gradients = tape.gradient(loss, list(group.variables))
        assert all(np.any(each) and np.all(np.isfinite(each)) for each in gradients)


class TestImages:
    SPEC = make_spec(
        observations=specs.BoundedArray((6, 5, 2), np.uint8, 0, 255),
        actions=specs.DiscreteArray(ACTIONS),
    )

    @SHARED
    @PRESET
    def test_gradients_reach_every_layer_of_policy_and_value(self, preset, shared_trunk):
        agent = make(preset, self.SPEC, noise=0.05, shared_trunk=shared_trunk)
        # The policy's three layers, and V's three or one.
        assert len(agent.trainable_variables) == 6 + (2 if shared_trunk else 6)
        transitions = tensors(consecutive(self.SPEC, 6, 4))
        with tf.GradientTape() as tape:
            loss = agent.losses(transitions, SEED)["a2c"]
        assert np.isfinite(loss)
        assert all(np.any(each) for each in tape.gradient(loss, agent.trainable_variables))

    def test_its_value_is_one_of_images(self):
        agent = make(spec=self.SPEC, shared_trunk=True)
        images = np.random.default_rng(0).integers(256, size=(3, 6, 5, 2), dtype=np.uint8)
        value, (distribution, features) = agent.value(images), agent.policy.with_features(images)
        assert (value.shape, features.shape) == ((3,), (3, 128))
        np.testing.assert_allclose(distribution.logits, agent.policy(images).logits, rtol=1e-5)
        with pytest.raises(
            protocol.SpecError, match=r"are images.*takes vectors where actions are from a box"
        ):
            make(spec=self.SPEC._replace(actions=make_spec().actions))


# That a restored learner continues bit for bit: tests/launch/checks/test_agent.py.


@pytest.mark.parametrize("preset", ["a2c", "soft_q_a2c"])
def test_it_learns_the_soft_policy_of_a_bandit(preset):
    """Of rewards 0, 1/4, 1/2 and 1 it is softmax(r / τ): a step is all that there is."""
    rewards, tau = np.array([0.0, 0.25, 0.5, 1.0], np.float32), 0.5
    settings = {"tau": tau, "discount": 0.0, "hidden_sizes": (), "batch_size": 512}
    config = config_of(preset, **settings, optimizer="adam", learning_rate=3e-2)
    learner = Learner(a2c.Agent, config, SPEC, seed=0)
    policy, batch = learner.agent.policy, consecutive(SPEC, 128, 4)
    states = tf.constant(batch.observation.reshape(512, -1))
    draw = tf.function(lambda seed: policy(states).sample(seed=seed))
    for call in range(150):
        action = draw(tf.constant([call, 7])).numpy().reshape(128, 4)
        acted = batch._replace(action=action, reward=rewards[action])
        learner.step(tf.nest.map_structure(lambda field: field[None], acted))
    log_policy = [policy(states).log_prob(np.full(512, a, np.int32)) for a in range(ACTIONS)]
    found = np.mean(np.exp(log_policy), axis=1)
    np.testing.assert_allclose(found, special.softmax(rewards / tau), atol=0.04)
