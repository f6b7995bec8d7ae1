"""The agent's loss is Eq. 2 on its own networks, and its gradients go where each variant says."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from acme import specs

from quinoa.agents import iq
from quinoa.agents.protocol import SpecError
from quinoa.agents.types import ACTIONS_BETWEEN, STATES_BETWEEN, WEIGHTS_BETWEEN
from quinoa.launch.checks.subject import random_transitions
from tests.agents.fixtures import make_batch, make_spec, make_transitions, perturb

PRESET = pytest.mark.parametrize("preset", iq.PRESETS)
SEED = tf.constant([1, 2])


def make(preset, **changes):
    """An agent whose targets are not its online networks."""
    config = dataclasses.replace(
        iq.PRESETS[preset],
        hidden_sizes=(8,),
        num_couplings=2,
        coupling_hidden_sizes=(8,),
        tau=0.5,
        **changes,
    )
    tf.random.set_seed(0)
    agent = iq.Agent(config, make_spec())
    perturb(agent.variables)
    return agent, config


@PRESET
def test_loss_is_equation_2(preset):
    agent, config = make(preset)
    s, a, r, d, next_s, *_ = transitions = make_batch()
    q = config.tau * agent.policy(s).log_prob(a) + agent._value(s)
    value = agent._target_value if config.target_value else agent._value
    target = r + 0.99 * d * value(next_s)
    if config.alpha:
        target += config.alpha * config.tau * agent._target_policy(s).log_prob(a)
    losses = agent.losses(transitions, SEED)
    assert losses.keys() == {"td"}
    np.testing.assert_allclose(losses["td"], tf.reduce_mean((target - q) ** 2), rtol=1e-5)


def batch_of_steps(n, size=32):
    """A batch with what lies between, of which the last are missing in every third row."""
    transitions, rng = make_transitions(size), np.random.default_rng(5)
    weights = np.tile(0.99 ** np.arange(1, n), (size, 1)).astype(np.float32)
    weights[::3, 1:] = 0.0
    extras = {
        STATES_BETWEEN: rng.normal(size=(size, n - 1, 3)).astype(np.float32),
        ACTIONS_BETWEEN: rng.uniform(-1, 1, size=(size, n - 1, 2)).astype(np.float32),
        WEIGHTS_BETWEEN: weights,
    }
    return tf.nest.map_structure(tf.constant, transitions._replace(extras=extras))


@PRESET
def test_the_target_of_n_steps_has_the_log_probabilities_on_the_way(preset):
    agent, config = make(preset, n_step=3, path_consistency=True)
    s, a, r, d, next_s, _, extras = transitions = batch_of_steps(3)
    value, policy = agent._value, agent.policy
    if config.target_value:
        value, policy = agent._target_value, agent._target_policy
    target = r + 0.99 * d * value(next_s)
    for i in range(2):
        states, actions = extras[STATES_BETWEEN][:, i], extras[ACTIONS_BETWEEN][:, i]
        joined = -policy(states).log_prob(actions)
        joined += config.alpha * agent._target_policy(states).log_prob(actions)
        target += extras[WEIGHTS_BETWEEN][:, i] * config.tau * joined
    if config.alpha:
        target += config.alpha * config.tau * agent._target_policy(s).log_prob(a)
    q = config.tau * agent.policy(s).log_prob(a) + agent._value(s)
    loss = agent.losses(transitions, SEED)["td"]
    np.testing.assert_allclose(loss, tf.reduce_mean((target - q) ** 2), rtol=1e-5)


def test_what_lies_between_is_declared_where_the_target_has_it():
    names = {STATES_BETWEEN: (2, 3), ACTIONS_BETWEEN: (2, 2), WEIGHTS_BETWEEN: (2,)}
    for n, path_consistency, expected in ((3, True, names), (3, False, {}), (1, False, {})):
        config = iq.Config(n_step=n, path_consistency=path_consistency)
        declared = iq.Agent.extras_spec(config, make_spec())
        assert {name: each.shape for name, each in declared.items()} == expected


def test_images_between_are_refused():
    config = iq.Config(n_step=3, path_consistency=True)
    spec = make_spec(
        observations=specs.BoundedArray((10, 10, 4), np.uint8, 0, 1), actions=specs.DiscreteArray(3)
    )
    with pytest.raises(SpecError, match=r"^path_consistency = true has replay keep the states"):
        iq.Agent.make_policy(config, spec)


@PRESET
def test_only_of_a_flow_actions_on_the_edge_are_counted(preset):
    agent, config = make(preset)
    assert ("clipped_actions" in agent.metrics(make_batch(), SEED)) == (config.policy == "flow")


@PRESET
def test_implicit_q_holds_to_rounding(preset):
    """Differences of Q over actions are τ times those of ln π: nothing else defines Q."""
    agent, config = make(preset)
    transitions = make_batch()
    (q,) = agent._terms(transitions).q
    expected = config.tau * agent.policy(transitions.observation).log_prob(transitions.action)
    expected += agent._value(transitions.observation)
    np.testing.assert_array_equal(q, expected)


@PRESET
def test_gradient_flows_through_the_next_value_only_for_residual_algorithms(preset):
    agent, config = make(preset, discount=1.0)
    transitions = make_batch()
    # Where s' is s and γ = 1, V of the online network leaves the residual of the (Trust-)PCL loss.
    still = transitions._replace(
        next_observation=transitions.observation, discount=tf.ones_like(transitions.discount)
    )
    # Where s' is terminal, V(s) is all there is.
    terminal = transitions._replace(discount=tf.zeros_like(transitions.discount))
    norms = []
    for each in (still, terminal):
        with tf.GradientTape() as tape:
            loss = agent.losses(each, SEED)["td"]
        norms.append(tf.linalg.global_norm(tape.gradient(loss, agent._value.trainable_variables)))
    assert norms[1] > 1e-2
    if config.target_value:
        assert norms[0] > 1e-2
    else:
        assert norms[0] < 1e-5


@PRESET
def test_gradients_reach_no_target(preset):
    agent, _ = make(preset)
    frozen = [*agent._target_policy.variables, *agent._target_value.variables]
    with tf.GradientTape() as tape:
        tape.watch(frozen)
        loss = agent.losses(make_batch(), SEED)["td"]
    gradients = tape.gradient(loss, frozen)
    assert all(gradient is None or not np.any(gradient) for gradient in gradients)


@PRESET
def test_the_one_loss_trains_policy_and_value_and_nothing_else(preset):
    agent, config = make(preset)
    (group,) = agent.parameter_groups()
    assert group.loss == "td"
    assert group.learning_rate == config.learning_rate
    trained = {variable.ref() for variable in group.variables}
    expected = [*agent.policy.trainable_variables, *agent._value.trainable_variables]
    assert trained == {variable.ref() for variable in expected}


@PRESET
def test_a_termination_has_no_next_value_and_a_time_limit_has(preset):
    agent, _ = make(preset)
    transitions = make_batch()
    for discount, same in ((0.0, True), (1.0, False)):
        each = transitions._replace(discount=tf.fill(transitions.discount.shape, discount))
        elsewhere = each._replace(next_observation=each.next_observation + 1.0)
        losses = [agent.losses(each, SEED)["td"], agent.losses(elsewhere, SEED)["td"]]
        assert bool(losses[0] == losses[1]) == same


@PRESET
def test_both_targets_follow_smoothly(preset):
    agent, config = make(preset)
    online = [*agent.policy.variables, *agent._value.variables]
    target = [*agent._target_policy.variables, *agent._target_value.variables]
    rate = config.target_rate
    expected = [rate * a + (1.0 - rate) * b for a, b in zip(online, target, strict=True)]
    agent.after_step(tf.constant(7, tf.int64), make_batch(), SEED)
    for variable, value in zip(target, expected, strict=True):
        np.testing.assert_allclose(variable, value, rtol=1e-5, atol=1e-6)


@PRESET
def test_targets_start_as_the_online_networks(preset):
    config = dataclasses.replace(iq.PRESETS[preset], hidden_sizes=(8,), coupling_hidden_sizes=(8,))
    agent = iq.Agent(config, make_spec())
    transitions = make_batch()
    for initialised in (False, True):
        if initialised:
            agent.initialize(transitions)
        metrics = agent.metrics(transitions, SEED)
        of_flow = {"clipped_actions"} if config.policy == "flow" else set()
        assert metrics.keys() == {"td_error", "value", "entropy", "kl", *of_flow}
        np.testing.assert_array_equal(metrics["kl"], 0.0)
        online = [*agent.policy.variables, *agent._value.variables]
        target = [*agent._target_policy.variables, *agent._target_value.variables]
        for mine, theirs in zip(online, target, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_metrics_are_what_they_say():
    agent, config = make("m_iq")
    transitions = make_batch()
    metrics = agent.metrics(transitions, SEED)
    states = tf.repeat(transitions.observation, 2000, axis=0)
    action = agent.policy(states).sample(seed=tf.constant([5, 6]))
    log_prob = agent.policy(states).log_prob(action)
    # On 32 samples, one a state, within four of their standard errors.
    gap = log_prob - agent._target_policy(states).log_prob(action)
    for name, values in (("entropy", -log_prob), ("kl", gap)):
        error = np.std(values) / np.sqrt(32)
        assert abs(metrics[name] - np.mean(values)) < 4.0 * error
    np.testing.assert_allclose(
        metrics["value"], tf.reduce_mean(agent._value(transitions.observation)), rtol=1e-6
    )
    assert metrics["td_error"] ** 2 <= agent.losses(transitions, SEED)["td"]
    assert config.alpha > 0


class TestSeveralValues:
    def test_each_is_regressed_on_the_least_of_their_targets(self):
        agent, config = make("m_iq", num_values=2)
        s, a, r, d, next_s, *_ = transitions = make_batch()
        ours, theirs = agent._value, agent._more_values[0]
        next_values = [agent._target_value(next_s), agent._more_target_values[0](next_s)]
        log_prob = agent.policy(s).log_prob(a)
        target = r + 0.99 * d * tf.minimum(*next_values)
        target += config.alpha * config.tau * agent._target_policy(s).log_prob(a)
        # Both are the least somewhere.
        assert 0.1 < np.mean(next_values[0] < next_values[1]) < 0.9
        errors = [(target - config.tau * log_prob - value(s)) ** 2 for value in (ours, theirs)]
        loss = agent.losses(transitions, SEED)["td"]
        np.testing.assert_allclose(loss, tf.reduce_mean(errors), rtol=1e-5)
        np.testing.assert_allclose(agent.value(s), tf.minimum(ours(s), theirs(s)))

    def test_all_are_trained_and_followed(self):
        agent, config = make("iq", num_values=3)
        (group,) = agent.parameter_groups()
        trained = {variable.ref() for variable in group.variables}
        for value in (agent._value, *agent._more_values):
            assert {variable.ref() for variable in value.trainable_variables} <= trained
        online, target = agent._more_values[1].variables, agent._more_target_values[1].variables
        rate = config.target_rate
        expected = [rate * a + (1.0 - rate) * b for a, b in zip(online, target, strict=True)]
        agent.after_step(tf.constant(7, tf.int64), make_batch(), SEED)
        for variable, value in zip(target, expected, strict=True):
            np.testing.assert_allclose(variable, value, rtol=1e-5, atol=1e-6)

    def test_they_start_at_zero_and_part(self):
        agent = iq.Agent(iq.Config(num_values=2, hidden_sizes=(8,)), make_spec())
        s = make_batch().observation
        assert not np.any(agent._values(s))
        first, second = (value.trainable_variables for value in (agent._value, *agent._more_values))
        assert any(np.any(a != b) for a, b in zip(first, second, strict=True))


class TestCategoricalValues:
    @pytest.mark.parametrize("number", [1, 2])
    def test_each_is_classified_by_the_target_less_the_policys_part(self, number):
        settings = {"value_bins": 20, "value_limit": 4.0, "num_values": number}
        agent, config = make("m_iq", n_step=3, path_consistency=True, **settings)
        s, a, *_ = transitions = batch_of_steps(3)
        all_values = [agent._value, *agent._more_values]
        log_prob = agent.policy(s).log_prob(a)
        # The target is that of a V that is a number: there it is tested against Eq. 2.
        target = agent._terms(transitions).target
        losses = agent.losses(transitions, SEED)
        assert losses.keys() == {"td", "value"}
        errors = [(target - config.tau * log_prob - value(s)) ** 2 for value in all_values]
        np.testing.assert_allclose(losses["td"], tf.reduce_mean(errors), rtol=1e-5)
        wanted = agent._bins.histogram(target - config.tau * log_prob)
        entropies = [
            -tf.reduce_sum(wanted * tf.nn.log_softmax(value.logits(s)), axis=-1)
            for value in all_values
        ]
        np.testing.assert_allclose(losses["value"], tf.reduce_mean(entropies), rtol=1e-5)

    def test_the_target_has_their_means(self):
        agent, _ = make("iq", value_bins=20, value_limit=4.0)
        _, _, r, d, next_s, *_ = transitions = make_batch()
        np.testing.assert_allclose(
            agent._terms(transitions).target, r + 0.99 * d * agent._target_value(next_s), rtol=1e-5
        )

    def test_each_loss_trains_its_own_networks(self):
        agent, config = make("iq", value_bins=20, num_values=2)
        groups = {group.loss: group for group in agent.parameter_groups()}
        assert groups.keys() == {"td", "value"}
        assert {group.learning_rate for group in groups.values()} == {config.learning_rate}
        refs = {loss: {each.ref() for each in group.variables} for loss, group in groups.items()}
        assert refs["td"] == {each.ref() for each in agent.policy.trainable_variables}
        assert refs["value"] == {each.ref() for each in agent._value_variables()}

    def test_no_gradient_of_theirs_reaches_the_policy_or_a_target(self):
        agent, _ = make("m_iq", value_bins=20)
        others = [
            *agent.policy.trainable_variables,
            *agent._target_policy.variables,
            *agent._target_value.variables,
        ]
        with tf.GradientTape() as tape:
            tape.watch(others)
            loss = agent.losses(make_batch(), SEED)["value"]
        gradients = tape.gradient(loss, others)
        assert all(gradient is None or not np.any(gradient) for gradient in gradients)

    def test_they_start_at_zero(self):
        agent = iq.Agent(iq.Config(value_bins=21, num_values=2, hidden_sizes=(8,)), make_spec())
        np.testing.assert_allclose(agent._values(make_batch().observation), 0.0, atol=1e-4)

    def test_they_begin_where_they_are_told_to(self):
        agent, _ = make("iq", value_bins=33, value_low=-12.0, value_limit=120.0)
        each_for_sure = 50.0 * tf.eye(33)
        centers = np.linspace(-10.0, 118.0, 33)
        np.testing.assert_allclose(agent._bins.mean(each_for_sure), centers, rtol=1e-5)

    def test_they_are_of_images_too(self):
        observations = specs.BoundedArray((10, 10, 4), np.uint8, 0, 1)
        spec = make_spec(observations=observations, actions=specs.DiscreteArray(3))
        agent = iq.Agent(iq.Config(value_bins=21), spec)
        transitions = tf.nest.map_structure(tf.constant, random_transitions(spec, 16))
        np.testing.assert_allclose(agent.value(transitions.observation), 0.0, atol=1e-4)
        assert np.isfinite(agent.losses(transitions, SEED)["value"])

    @pytest.mark.parametrize("limit, share", [(1e-3, 1.0), (1e3, 0.0)])
    def test_targets_that_no_value_can_be_are_counted(self, limit, share):
        agent, _ = make("iq", value_bins=20, value_limit=limit)
        transitions = make_batch()
        transitions = transitions._replace(reward=tf.ones_like(transitions.reward))
        assert agent.metrics(transitions, SEED)["value_clipped"] == share
