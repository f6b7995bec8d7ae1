import gc
import weakref

import numpy as np
import psutil
import pytest
import tensorflow as tf

from quinoa.agents import iq, preprocessing
from quinoa.agents.compiled_policy import CompiledPolicy
from quinoa.agents.policies import DeterministicPolicy
from quinoa.config.fields import ConfigError
from tests.agents.fixtures import make_spec
from tests.agents.test_actor import Fixed, make_policy
from tests.agents.test_numpy_policy import numpy_policy


def test_acting_keeps_no_memory():
    """TensorFlow does keep every Python number that it makes a tensor of: 0.7 kB a step."""
    act = CompiledPolicy(make_policy()).actions((1, 5), seed=0, sample=True)
    observation = np.zeros((1, 5), np.float32)
    process = psutil.Process()

    def grown_by(steps):
        before = process.memory_info().rss
        for step in steps:
            act(observation, step)
        return process.memory_info().rss - before

    grown_by(range(500))
    # What is kept shows in each of these; what earlier tests left behind, in none or some.
    grown = [grown_by(range(start, start + 2000)) for start in (500, 2500, 4500)]
    assert min(grown) < 2**19, grown


def test_a_policy_is_compiled_once_and_not_kept_alive():
    policy = Fixed(0.5)
    for seed in range(3):
        CompiledPolicy(policy).samples((3, 5), seed=seed)
    assert policy.num_traces == 1
    act = CompiledPolicy(policy).actions((1, 5), seed=0, sample=False)
    assert policy.num_traces == 2
    reference = weakref.ref(policy)
    del policy
    gc.collect()
    np.testing.assert_array_equal(act(np.zeros((1, 5), np.float32), 0), [[0.5, 0.5]])
    del act
    gc.collect()
    assert reference() is None


def test_pink_noise_is_drawn_by_the_numpy_form_with_the_policy_s_present_parameters():
    policy, other = make_policy(), make_policy(seed=1)
    states = np.ones((3, 5), np.float32)
    act = CompiledPolicy(policy).samples((3, 5), seed=4, noise="pink")
    for step in range(3):
        expected = numpy_policy(policy).samples((3, 5), seed=4, noise="pink")
        for _ in range(step + 1):
            wanted, _ = expected(states, 0)
        np.testing.assert_allclose(act(states, step)[0], wanted, atol=1e-6)
        for variable, value in zip(policy.variables, other.variables, strict=True):
            variable.assign(value + step)


def test_pink_noise_needs_a_numpy_form():
    with pytest.raises(ConfigError, match="'white', as the policy has no numpy_form of its own"):
        CompiledPolicy(Fixed(0.5)).samples((3, 5), seed=0, noise="pink")


def test_with_pink_noise_observations_are_normalised_by_the_present_statistics():
    config = iq.Config(hidden_sizes=(8,), normalize_observations=True)
    policy = preprocessing.applied(iq.Agent, config).make_policy(config, make_spec())
    act = CompiledPolicy(policy).samples((500, 3), seed=0, noise="pink")
    states = np.full((500, 3), 7.0, np.float32)
    act(states, 0)
    for variable in policy.variables:
        variable.assign(tf.random.stateless_normal(variable.shape, [1, 2]))
    np.testing.assert_allclose(act(states, 1)[0].mean(axis=0), expected_action(policy), atol=0.2)


def expected_action(policy):
    """Of the state that the test above has, by TensorFlow."""
    return policy(np.full((1, 3), 7.0, np.float32)).mean().numpy()[0]


def test_a_policy_that_draws_nothing_has_no_noise():
    policy = DeterministicPolicy(5, 2, hidden_sizes=(8,))
    with pytest.raises(ConfigError, match="'white', as the policy draws nothing"):
        CompiledPolicy(policy).samples((3, 5), seed=0, noise="pink")
