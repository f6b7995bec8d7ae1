import dataclasses
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import crossq, iq, parameter_vector, preprocessing, protocol, quinoa, sac, svg0
from quinoa.agents.compiled_policy import CompiledPolicy
from quinoa.agents.inspection import inspection_function
from quinoa.agents.numpy_form import FormLayout
from quinoa.agents.numpy_policy import NumpyPolicy, arrays_of, own_form
from quinoa.agents.policies import standalone
from quinoa.agents.types import Transition
from tests.agents import tiny_on_policy
from tests.agents.fixtures import make_spec, make_transitions
from tests.agents.learners import LearnerPool

MEAN, DEVIATION = np.array([3.0, -200.0, 0.0]), np.array([0.5, 40.0, 1e-3])
SMALL: dict[str, Any] = {"batch_size": 16, "hidden_sizes": (8,), "normalize_observations": True}
CONFIG = iq.Config(**SMALL)
LEARNERS = LearnerPool()


@pytest.fixture(autouse=True)
def _learners_are_taken_for_one_test():
    LEARNERS.give_back()


def far_transitions(*leading, seed=0):
    """Transitions whose observations are far from mean 0 and deviation 1."""
    transitions = make_transitions(*leading, seed=seed)
    observation, next_observation = (
        (MEAN + DEVIATION * each).astype(np.float32)
        for each in (transitions.observation, transitions.next_observation)
    )
    return transitions._replace(observation=observation, next_observation=next_observation)


def learned(config=CONFIG, agent_class=iq.Agent, num_calls=2):
    learner = LEARNERS.take(agent_class, config)
    for call in range(num_calls):
        learner.step(far_transitions(3, *config.batch_shape, seed=call))
    return learner


def moved(config, agent_class):
    """An agent whose every number has moved, statistics included, without a learner's graph."""
    agent = preprocessing.applied(agent_class, config)(config, make_spec())
    batch = tf.nest.map_structure(tf.constant, far_transitions(*config.batch_shape))
    agent.initialize(batch)
    agent.after_step(tf.constant(1, tf.int64), batch, tf.constant([1, 2]))
    rng = np.random.default_rng(0)
    for variable in agent.variables:
        if variable.dtype.is_floating:
            variable.assign_add(0.1 * rng.random(variable.shape, np.float32))
    return agent


class TestStatistics:
    def test_they_are_the_moments_of_all_observations(self):
        rng = np.random.default_rng(0)
        parts = [rng.normal(MEAN, DEVIATION, (n, 3)).astype(np.float32) for n in (5, 1, 64, 30)]
        statistics = preprocessing.RunningStatistics(3, memory=1000)
        for part in parts:
            statistics.update(tf.constant(part))
        together = np.concatenate(parts).astype(np.float64)
        np.testing.assert_allclose(statistics.mean, together.mean(axis=0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(1.0 / statistics.scale, together.std(axis=0), rtol=1e-4)

    def test_every_leading_dimension_counts(self):
        observation = tf.random.stateless_normal([4, 5, 3], [0, 1])
        as_rows, as_segments = (preprocessing.RunningStatistics(3, 100) for _ in range(2))
        as_rows.update(tf.reshape(observation, [20, 3]))
        as_segments.update(observation)
        for ours, theirs in zip(as_segments.variables, as_rows.variables, strict=True):
            np.testing.assert_array_equal(ours, theirs)

    def test_beyond_the_memory_the_old_are_forgotten(self):
        statistics = preprocessing.RunningStatistics(1, memory=20)
        statistics.update(tf.fill([1000, 1], 100.0))
        for _ in range(10):
            statistics.update(tf.constant([[-1.0], [1.0]] * 10))
        # A half each time, of what is as old.
        np.testing.assert_allclose(statistics.mean, 100.0 / 2**10, rtol=1e-4)

    def test_what_is_always_the_same_is_not_scaled_and_becomes_0(self):
        same = np.array([54321.1, 1000.1, 12345.0, 0.0, -3.3e6], np.float32)
        statistics = preprocessing.RunningStatistics(5, memory=1000)
        for _ in range(10):
            statistics.update(tf.tile(same[None], [256, 1]))
        np.testing.assert_array_equal(statistics.mean, same)
        np.testing.assert_array_equal(statistics.scale, np.ones(5))

    def test_small_changes_of_large_numbers_are_seen(self):
        rng = np.random.default_rng(0)
        statistics = preprocessing.RunningStatistics(1, memory=10_000)
        for _ in range(100):
            vectors = rng.normal(20_000.0, 0.05, (256, 1)).astype(np.float32)
            statistics.update(tf.constant(vectors))
        np.testing.assert_allclose(1.0 / statistics.scale, 0.05, rtol=0.05)
        np.testing.assert_allclose(statistics.mean, 20_000.0, atol=0.01)

    def test_the_vectors_that_start_them_count_once_they_are_taken_in(self):
        rng = np.random.default_rng(0)
        parts = [rng.normal(MEAN, DEVIATION, (n, 3)).astype(np.float32) for n in (8, 5)]
        statistics = preprocessing.RunningStatistics(3, memory=100)
        statistics.start(tf.constant(parts[0]))
        np.testing.assert_allclose(statistics.mean, parts[0].mean(axis=0), rtol=1e-5, atol=1e-6)
        assert statistics._count.numpy() == 0.0
        started = [variable.numpy() for variable in (statistics.mean, statistics.scale)]
        statistics.update(tf.constant(parts[0]))
        for variable, value in zip((statistics.mean, statistics.scale), started, strict=True):
            np.testing.assert_array_equal(variable, value)
        statistics.update(tf.constant(parts[1]))
        together = np.concatenate(parts).astype(np.float64)
        np.testing.assert_allclose(statistics.mean, together.mean(axis=0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(1.0 / statistics.scale, together.std(axis=0), rtol=1e-4)
        before = [variable.numpy() for variable in statistics.variables]
        statistics.start(tf.constant(100.0 * parts[1]))
        for variable, value in zip(statistics.variables, before, strict=True):
            np.testing.assert_array_equal(variable, value)


def assert_moments_of(statistics, observation):
    rows = observation.reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(statistics.mean, rows.mean(axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(1.0 / statistics.scale, rows.std(axis=0), rtol=1e-3)


class Recording(iq.Agent):
    """Keeps what it is given."""

    def losses(self, transitions, seed):
        self.seen = transitions
        return super().losses(transitions, seed)


def test_an_agent_sees_observations_of_mean_0_and_deviation_1_within_the_clip():
    config = dataclasses.replace(CONFIG, batch_size=512, observation_clip=2.0)
    agent = preprocessing.applied(Recording, config)(config, make_spec())
    batch = Transition(*map(tf.convert_to_tensor, far_transitions(512)[:6]))
    agent.initialize(batch)
    agent.losses(batch, tf.constant([0, 1]))
    seen = agent._agent.seen
    for field in (seen.observation, seen.next_observation):
        values = field.numpy()
        assert np.abs(values).max() == 2.0
        assert np.abs(values.mean(axis=0)).max() < 0.2
        assert np.abs(values.std(axis=0) - 1.0).max() < 0.2
    np.testing.assert_array_equal(seen.action, batch.action)
    clipped = agent.metrics(batch, tf.constant([0, 1]))["clipped_observations"]
    assert clipped.numpy() == pytest.approx((np.abs(seen.observation) == 2.0).mean())


def test_the_statistics_move_once_a_step_and_not_in_one_that_is_skipped():
    learner = learned(num_calls=0)
    statistics = learner.agent._observations
    superbatch = far_transitions(2, 16)
    learner.step(superbatch)
    # The first batch is there at `initialize`, too, and counts once.
    assert statistics._count.numpy() == 2 * 16
    assert_moments_of(statistics, superbatch.observation)
    before = [variable.numpy() for variable in learner.agent.variables]
    reward = superbatch.reward.copy()
    reward[:, 0] = np.nan
    learner.step(superbatch._replace(reward=reward))
    assert learner.skipped_steps == 2
    for variable, value in zip(learner.agent.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_a_scale_and_a_shift_of_the_observations_change_nothing():
    """Up to rounding, whatever units an environment measures in."""
    learners = [LEARNERS.take(iq.Agent, CONFIG) for _ in range(2)]
    plain = make_transitions(3, 16)
    learners[0].step(plain)
    learners[1].step(far_transitions(3, 16))
    ours, theirs = (learner.agent._agent.policy.variables for learner in learners)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-3)


@pytest.mark.parametrize(
    ("agent_class", "config"),
    [
        (iq.Agent, CONFIG),
        (iq.Agent, iq.Config(**SMALL, policy="flow", num_couplings=2, coupling_hidden_sizes=(8,))),
        (iq.Agent, iq.Config(**SMALL, network="simba")),
        (iq.Agent, iq.Config(**SMALL, policy="autoregressive", num_values=2)),
        (sac.Agent, sac.Config(**SMALL)),
        (sac.Agent, sac.Config(**SMALL, network="simba")),
        (svg0.Agent, svg0.Config(**SMALL, network="simba")),
        (crossq.Agent, crossq.Config(**SMALL)),
    ],
    ids=[
        "multicategorical",
        "flow",
        "residual-multicategorical",
        "autoregressive",
        "gaussian",
        "residual-gaussian",
        "svg0",
        "batch-normalised",
    ],
)
def test_a_policy_acts_the_same_wherever_it_is(agent_class, config, tmp_path):
    agent = moved(config, agent_class)
    policy = agent.policy
    parameters = parameter_vector.flatten(policy)
    states = far_transitions(64, seed=5).observation
    expected = policy(states).mode().numpy()

    made = preprocessing.applied(agent_class, config).make_policy(config, make_spec())
    acting = CompiledPolicy(made)
    acting.assign(parameters)
    ours = acting.actions(states.shape, seed=0, sample=False)(states, 0)
    np.testing.assert_allclose(ours, expected, atol=1e-6)

    form, arrays = own_form(made), arrays_of(policy)
    assert form is not None and arrays is not None
    light = NumpyPolicy(FormLayout(form, made), mode_settings=form.mode_settings())
    light.assign(parameters)
    ours = light.actions(states.shape, seed=0, sample=False)(states, 0)
    np.testing.assert_allclose(ours, expected, atol=2e-4)

    np.savez(tmp_path / "policy.npz", **arrays)
    exported = standalone.Policy.load(tmp_path / "policy.npz")
    np.testing.assert_array_equal(exported.mode(states), ours)
    np.testing.assert_allclose(
        exported.log_prob(states, expected), policy(states).log_prob(expected), atol=2e-3
    )
    inspected = inspection_function(agent, states.shape, seed=0, sample=False)(states, 0)
    np.testing.assert_allclose(inspected.action, expected, atol=1e-6)


def test_a_value_is_of_the_observation_as_the_environment_has_it():
    agent = learned().agent
    states = far_transitions(8).observation
    value = agent._agent.value(agent.policy.normalized(states))
    np.testing.assert_array_equal(agent.value(states), value)
    assert (agent.value(states).numpy() != agent._agent.value(states).numpy()).all()


def test_a_checkpoint_has_the_statistics(tmp_path):
    learner = learned()
    path = learner.save(str(tmp_path / "checkpoint"))
    other = LEARNERS.take(iq.Agent, CONFIG, seed=1)
    other.restore(path)
    superbatch = far_transitions(3, 16, seed=9)
    for each in (learner, other):
        each.step(superbatch)
    for ours, theirs in zip(learner.state, other.state, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_policy_that_adds_extras_still_adds_them():
    config = tiny_on_policy.Config(normalize_observations=True)
    agent_class = preprocessing.applied(tiny_on_policy.Agent, config)
    assert agent_class.extras_spec(config, make_spec()).keys() == {"log_prob"}
    policy = agent_class.make_policy(config, make_spec())
    act = CompiledPolicy(policy).samples((4, 3), seed=0)
    states = far_transitions(4).observation
    action, extras = act(states, 0)
    np.testing.assert_allclose(extras["log_prob"], policy(states).log_prob(action), atol=1e-5)
    learner = LEARNERS.take(tiny_on_policy.Agent, config)
    transitions = far_transitions(2, *config.batch_shape)
    zeros = np.zeros(transitions.reward.shape, np.float32)
    metrics = learner.step(transitions._replace(extras={"log_prob": zeros}))
    assert np.isfinite(metrics["loss/value"])


def test_on_policy_the_first_step_is_of_the_policy_that_acted():
    """Statistics that moved before it would make it another."""
    config = tiny_on_policy.Config(normalize_observations=True)
    learner = LEARNERS.take(tiny_on_policy.Agent, config)
    transitions = far_transitions(1, *config.batch_shape)
    flat = transitions.observation.reshape(-1, 3), transitions.action.reshape(-1, 2)
    log_prob = learner.agent.policy(flat[0]).log_prob(flat[1]).numpy()
    extras = {"log_prob": log_prob.reshape(transitions.reward.shape)}
    metrics = learner.step(transitions._replace(extras=extras))
    assert float(metrics["gap"]) < 1e-4
    # The next one sees, and acts by, normalised observations.
    assert_moments_of(learner.agent._observations, transitions.observation)


SCALED = iq.Config(batch_size=64, hidden_sizes=(8,), scale_rewards=True)


def with_returns(transitions, running_return):
    values = np.broadcast_to(np.float32(running_return), transitions.reward.shape)
    return transitions._replace(extras={"running_return": values})


class TestRewards:
    def test_an_agent_sees_them_over_the_deviation_of_the_running_return(self):
        agent = preprocessing.applied(Recording, SCALED)(SCALED, make_spec())
        returns = np.random.default_rng(0).normal(500.0, 25.0, 64).astype(np.float32)
        batch = with_returns(make_transitions(64), returns)
        batch = tf.nest.map_structure(tf.convert_to_tensor, batch)
        agent.initialize(batch)
        agent.losses(batch, tf.constant([0, 1]))
        seen = agent._agent.seen
        np.testing.assert_allclose(seen.reward, batch.reward / returns.std(), rtol=1e-4)
        assert seen.extras == {}
        np.testing.assert_array_equal(seen.observation, batch.observation)
        scale = agent.metrics(batch, tf.constant([0, 1]))["reward_scale"]
        assert scale.numpy() == pytest.approx(1.0 / returns.std(), rel=1e-4)

    @pytest.mark.parametrize("unit", [1.0, 1e-6])
    def test_whatever_their_unit_is_they_come_to_the_same(self, unit):
        agent = preprocessing.applied(iq.Agent, SCALED)(SCALED, make_spec())
        returns = np.random.default_rng(0).normal(0.0, unit, 64)
        batch = with_returns(make_transitions(64), returns)
        agent.initialize(tf.nest.map_structure(tf.convert_to_tensor, batch))
        assert unit * agent._returns.scale[0].numpy() == pytest.approx(1.0, rel=0.3)

    def test_until_there_is_a_reward_none_is_scaled(self):
        agent = preprocessing.applied(iq.Agent, SCALED)(SCALED, make_spec())
        batch = with_returns(make_transitions(64), 0.0)
        agent.initialize(tf.nest.map_structure(tf.convert_to_tensor, batch))
        assert agent._returns.scale.numpy() == 1.0

    def test_the_value_is_in_the_units_of_the_environment(self):
        learner = LEARNERS.take(iq.Agent, SCALED)
        returns = np.random.default_rng(0).normal(0.0, 25.0, (3, 64))
        learner.step(with_returns(make_transitions(3, 64), returns))
        states = make_transitions(4).observation
        value, inner = learner.agent.value(states), learner.agent._agent.value(states)
        assert value is not None
        np.testing.assert_allclose(value, inner * returns.std(), rtol=0.05)

    def test_its_policy_is_the_agents_own(self):
        agent_class = preprocessing.applied(iq.Agent, SCALED)
        policy = agent_class.make_policy(SCALED, make_spec())
        assert type(policy) is type(iq.Agent.make_policy(SCALED, make_spec()))

    @pytest.mark.parametrize("agent", [iq, tiny_on_policy], ids=["off-policy", "on-policy"])
    def test_its_source_has_room_for_the_running_return(self, agent):
        config = agent.Config(scale_rewards=True)
        agent_class = preprocessing.applied(agent.Agent, config)
        source, plain = (
            each.make_source(config, make_spec(), num_environments=1, steps_per_call=1)
            for each in (agent_class, agent.Agent)
        )
        assert source.layout.width == plain.layout.width + 1
        assert "running_return" in source.layout.shapes().extras

    def test_both_at_once(self):
        config = dataclasses.replace(SCALED, normalize_observations=True)
        learner = LEARNERS.take(iq.Agent, config)
        metrics = learner.step(with_returns(far_transitions(3, 64), 2.0))
        assert {"reward_scale", "clipped_observations"} <= metrics.keys()
        assert np.isfinite(metrics["loss"])


@pytest.mark.parametrize("module", [iq, quinoa, sac, svg0])
def test_without_it_an_agent_is_not_wrapped(module):
    config = module.Config()
    assert preprocessing.applied(module.Agent, config) is module.Agent


def test_all_that_an_agent_may_override_is_asked_of_the_agent():
    wrapped = preprocessing.applied(iq.Agent, CONFIG)
    own = {name for each in wrapped.__mro__[:2] for name in vars(each)}
    declared = {name for name in vars(protocol.Agent) if not name.startswith("_")}
    assert declared <= own


def test_an_agent_is_wrapped_once_and_keeps_its_name():
    wrapped = preprocessing.applied(iq.Agent, CONFIG)
    assert preprocessing.applied(wrapped, CONFIG) is wrapped
    assert preprocessing.applied(iq.Agent, CONFIG) is wrapped
    assert (wrapped.__module__, wrapped.__qualname__) == ("quinoa.agents.iq.agent", "Agent")
    size = parameter_vector.flatten(wrapped.make_policy(CONFIG, make_spec())).size
    inner = parameter_vector.flatten(iq.Agent.make_policy(CONFIG, make_spec())).size
    assert size == inner + 2 * 3
