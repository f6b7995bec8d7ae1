"""A learned temperature moves towards the policy's target entropy, and a constant one stays."""

import math

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from acme import specs

from quinoa.agents import iq, meow
from quinoa.agents.temperature import Temperature
from quinoa.config.fields import ConfigError
from tests.agents.fixtures import make_spec, make_transitions

SEED = tf.constant([1, 2])
STATES = tf.zeros([8, 3])


def uniform(states):
    """The uniform density on [-1, 1]²: its entropy is 2 log 2 = 1.386 everywhere."""
    low = tf.fill([states.shape[0], 2], -1.0)
    return tfp.distributions.Independent(tfp.distributions.Uniform(low, -low), 1)


def gradient(target_entropy):
    """Of the loss with respect to log α, at α = 0.5."""
    config = iq.Config(adaptive_temperature=True)
    temperature = Temperature(0.5, config, target_entropy)
    with tf.GradientTape() as tape:
        (loss,) = temperature.losses(uniform, STATES, SEED).values()
    (variable,) = temperature.trainable_variables
    return float(tape.gradient(loss, variable))


def test_the_gradient_is_the_temperature_times_the_excess_of_entropy():
    """Haarnoja et al. (2018b), Eq. 18, by the logarithm of α."""
    for target in (-2.0, 1.0):
        assert gradient(target) == pytest.approx(0.5 * (2 * math.log(2) - target), rel=1e-5)
    assert gradient(1.5) < 0  # below its target: the temperature rises


def test_a_constant_has_no_variable_and_no_loss():
    temperature = Temperature(0.3, iq.Config(), -1.0)
    assert temperature() == 0.3
    assert temperature.variables == ()
    assert temperature.losses(uniform, STATES, SEED) == {}
    assert temperature.parameter_groups(1e-3) == []
    assert temperature.metrics() == {}


@pytest.mark.parametrize(
    ("module", "changes", "of_uniform"),
    [
        (iq, {"policy": "multicategorical"}, math.log(10)),
        (iq, {"policy": "autoregressive"}, math.log(10)),
        (iq, {"policy": "gaussian"}, math.log(2)),
        (meow, {}, math.log(2)),
    ],
)
def test_the_target_is_as_far_below_the_uniform_policy_for_masses_and_densities(
    module, changes, of_uniform
):
    if module is iq:
        changes = {**changes, "num_bins": 10}
    config = module.Config(adaptive_temperature=True, target_entropy=-1.0, **changes)
    agent = module.Agent(config, make_spec())
    temperature = agent._tau if module is iq else agent._alpha
    size = make_spec().actions.shape[0]
    excess = size * (of_uniform - math.log(2) - 1.0)
    assert temperature._target_entropy == pytest.approx(excess, abs=1e-6)


@pytest.mark.parametrize(("module", "setting"), [(iq, "tau"), (meow, "alpha")])
def test_the_agent_learns_with_the_temperature_of_now(module, setting):
    adaptive = module.Agent(module.Config(adaptive_temperature=True), make_spec())
    constant = module.Agent(module.Config(**{setting: 0.37}), make_spec())
    (variable,) = getattr(adaptive, f"_{setting}").trainable_variables
    variable.assign(math.log(0.37))
    others = [each for each in adaptive.variables if each is not variable]
    rng = np.random.default_rng(0)
    for of_one, of_other in zip(others, constant.variables, strict=True):
        of_one.assign_add(0.1 * rng.normal(size=of_one.shape).astype(np.float32))
        of_other.assign(of_one)
    transitions = tf.nest.map_structure(tf.constant, make_transitions(16))
    losses = adaptive.losses(transitions, SEED)
    assert losses.keys() == {"td", "temperature"}
    np.testing.assert_allclose(losses["td"], constant.losses(transitions, SEED)["td"], rtol=1e-5)
    assert float(adaptive.metrics(transitions, SEED)["temperature"]) == pytest.approx(0.37)


def test_finite_sets_of_actions_are_refused():
    spec = make_spec(actions=specs.DiscreteArray(3))
    with pytest.raises(
        ConfigError, match=r"^adaptive_temperature = True cannot work: it must be f"
    ):
        iq.Agent(iq.Config(adaptive_temperature=True), spec)


def test_an_entropy_that_no_policy_of_bins_has_is_refused():
    config = iq.Config(adaptive_temperature=True, num_bins=5)
    with pytest.raises(ConfigError, match=r"^target_entropy = -1.0 cannot .* above -0.92"):
        iq.Agent(config, make_spec())
    iq.Agent(iq.Config(num_bins=5), make_spec())
