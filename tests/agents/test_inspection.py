from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import inspection, iq, protocol, quinoa
from quinoa.agents.compiled_policy import CompiledPolicy
from quinoa.agents.inspection import inspection_function
from tests.agents.fixtures import ACTION_SIZE, OBSERVATION_SIZE, make_spec

STATES = np.random.default_rng(0).normal(size=(3, OBSERVATION_SIZE)).astype(np.float32)


@pytest.mark.parametrize("module", [iq, quinoa])
def test_shows_the_policys_mode_its_entropy_and_the_value(module):
    agent = module.Agent(module.Config(hidden_sizes=(8,)), make_spec())
    shown = inspection_function(agent, STATES.shape, seed=0, sample=False)(STATES, 0)
    distribution = agent.policy(tf.constant(STATES))
    np.testing.assert_allclose(shown.action, distribution.mode(), atol=1e-5)
    assert shown.value is not None
    np.testing.assert_allclose(shown.value, agent.value(tf.constant(STATES)), rtol=1e-5, atol=1e-6)
    assert shown.entropy is not None and shown.entropy.shape == (3,)
    if module is quinoa:
        # A flow that has learned nothing is uniform, exactly, and has no formula.
        np.testing.assert_allclose(shown.entropy, ACTION_SIZE * math.log(2), atol=1e-4)
    else:
        np.testing.assert_allclose(shown.entropy, distribution.entropy(), rtol=1e-5)


def test_an_estimated_entropy_is_near_the_one_that_has_a_formula():
    agent = iq.Agent(iq.Config(hidden_sizes=(8,)), make_spec())
    exact = agent.policy(tf.constant(STATES)).entropy().numpy()

    class WithoutFormula(protocol.Policy):
        def __call__(self, observation: tf.Tensor):
            distribution = agent_policy(observation)
            distribution._entropy = self._none
            return distribution

        @staticmethod
        def _none():
            raise NotImplementedError

    agent_policy, agent.policy = agent.policy, WithoutFormula()
    estimated = inspection_function(agent, STATES.shape, seed=0, sample=False)(STATES, 0).entropy
    assert estimated is not None
    assert not np.array_equal(estimated, exact)
    np.testing.assert_allclose(estimated, exact, atol=4 / math.sqrt(inspection.ENTROPY_SAMPLES))


def test_samples_follow_from_the_seed_and_the_step():
    agent = quinoa.Agent(quinoa.Config(hidden_sizes=(8,)), make_spec())
    inspect = inspection_function(agent, STATES.shape, seed=0, sample=True)
    first, again, later = (inspect(STATES, step).action for step in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, later)


def test_an_agent_without_a_value_shows_none():
    class Silent(iq.Agent):
        value = protocol.Agent.value

    agent = Silent(iq.Config(hidden_sizes=(8,)), make_spec())
    assert inspection_function(agent, STATES.shape, seed=0, sample=False)(STATES, 0).value is None


class SampledAlone(protocol.Policy):
    """A network of the state and noise, which knows neither its density nor its mode."""

    has_density = has_mode = False

    def __init__(self):
        super().__init__()
        self.scale = tf.Variable(0.5)

    def __call__(self, observation: tf.Tensor):
        return self

    def sample(self, seed):
        return self.scale * tf.random.stateless_uniform([3, 2], seed, -1.0, 1.0)


def test_a_policy_that_can_be_sampled_alone_shows_samples_and_no_entropy():
    agent = iq.Agent(iq.Config(hidden_sizes=(8,)), make_spec())
    agent.policy = SampledAlone()
    shown, sampled = (
        inspection_function(agent, STATES.shape, seed=0, sample=sample)(STATES, 0)
        for sample in (False, True)
    )
    assert shown.entropy is sampled.entropy is None
    np.testing.assert_array_equal(shown.action, sampled.action)
    act = CompiledPolicy(agent.policy).actions(STATES.shape, seed=0, sample=False)
    assert act(STATES, 0).shape == (3, 2)
    assert not np.array_equal(act(STATES, 0), act(STATES, 1))
