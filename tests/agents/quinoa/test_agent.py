"""The agent's loss is Eq. 2 and 3 on its own networks; α comes from the dual, and π̃ from π."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import quinoa, targets
from quinoa.agents.protocol import ConfigError
from tests.agents.fixtures import make_batch, make_spec, perturb

SEED = tf.constant([1, 2])
SMALL: dict[str, Any] = {"hidden_sizes": (8,), "num_couplings": 2, "coupling_hidden_sizes": (8,)}


def make(action_size=2, shake=0.3, **changes):
    """An agent whose π is not π_k, nor V its target."""
    config = dataclasses.replace(quinoa.Config(), **SMALL, **changes)
    tf.random.set_seed(0)
    agent = quinoa.Agent(config, make_spec(action_size=action_size))
    modules = (agent.policy, agent._copied_policy, agent._value, agent._target_value)
    perturb((variable for module in modules for variable in module.variables), shake)
    return agent, config


def after_step(agent, step, transitions=None):
    agent.after_step(tf.constant(step, tf.int64), transitions or make_batch(), SEED)


def values(module):
    return [variable.numpy() for variable in module.variables]


def assert_equal(first, second, equal=True):
    assert all(map(np.array_equal, values(first), values(second))) == equal


COUPLINGS = pytest.mark.parametrize(
    "coupling", ["affine", "bounded_affine", "piecewise_linear", "additive"]
)


@COUPLINGS
@pytest.mark.parametrize("rho", [1.0, 0.9, 0.0])
def test_loss_is_equations_2_and_3(rho, coupling):
    agent, _ = make(prior_power=rho, coupling=coupling)
    s, a, r, d, next_s, *_ = transitions = make_batch()
    log_uniform = -2 * np.log(2)
    prior = rho * agent._copied_policy(s).log_prob(a) + (1 - rho) * log_uniform
    q = agent._value(s) + agent._alpha * (agent.policy(s).log_prob(a) - prior)
    target = r + 0.99 * d * agent._target_value(next_s)
    losses = agent.losses(transitions, SEED)
    assert losses.keys() == {"td"}
    np.testing.assert_allclose(losses["td"], tf.reduce_mean((q - target) ** 2), rtol=1e-5)


def test_a_termination_has_no_value_after_it_and_a_time_limit_has():
    agent, _ = make()
    transitions = make_batch()
    ended = transitions._replace(discount=tf.zeros(32))
    going_on = transitions._replace(discount=tf.ones(32))
    np.testing.assert_array_equal(agent._q_and_target(ended)[1], transitions.reward)
    expected = transitions.reward + 0.99 * agent._target_value(transitions.next_observation)
    np.testing.assert_allclose(agent._q_and_target(going_on)[1], expected, rtol=1e-6)


@COUPLINGS
def test_gradients_reach_policy_and_value_and_nothing_else(coupling):
    agent, _ = make(coupling=coupling)
    with tf.GradientTape() as tape:
        loss = agent.losses(make_batch(), SEED)["td"]
    trained = [variable for group in agent.parameter_groups() for variable in group.variables]
    expected = (*agent.policy.trainable_variables, *agent._value.trainable_variables)
    assert {v.ref() for v in trained} == {v.ref() for v in expected}
    others = (*agent._copied_policy.trainable_variables, *agent._target_value.trainable_variables)
    gradients = tape.gradient(loss, [*trained, *others])
    assert all(gradient is not None for gradient in gradients[: len(trained)])
    assert all(gradient is None for gradient in gradients[len(trained) :])


def test_of_several_values_each_is_regressed_on_the_least_of_their_targets():
    agent, _ = make(num_values=2)
    second, second_target = agent._more_values[0], agent._more_target_values[0]
    perturb([*second.variables, *second_target.variables], seed=1)
    s, _, r, d, next_s, *_ = transitions = make_batch()
    next_values = [agent._target_value(next_s), second_target(next_s)]
    # Both are the least somewhere.
    assert 0.1 < np.mean(next_values[0] < next_values[1]) < 0.9
    target = r + 0.99 * d * tf.minimum(*next_values)
    advantage = agent._q_and_target(transitions)[0] - agent._value(s)
    errors = [(target - advantage[0] - value(s)) ** 2 for value in (agent._value, second)]
    with tf.GradientTape() as tape:
        loss = agent.losses(transitions, SEED)["td"]
    np.testing.assert_allclose(loss, tf.reduce_mean(errors), rtol=1e-4)
    np.testing.assert_allclose(agent.value(s), tf.minimum(agent._value(s), second(s)))
    (group,) = agent.parameter_groups()
    assert {v.ref() for v in second.trainable_variables} <= {v.ref() for v in group.variables}
    assert all(gradient is not None for gradient in tape.gradient(loss, group.variables))
    before = values(second_target)
    after_step(agent, 7)
    assert all(np.any(a != b) for a, b in zip(before, values(second_target), strict=True))


# The middles of equal parts of the one action dimension, [N, 1].
GRID = (np.arange(-1999.5, 2000.0) / 2000.0).astype(np.float32)[:, None]


def log_prob_on_grid(policy, state):
    """Of a policy in a state, at `GRID`: float64 [N]."""
    observation = tf.repeat(state[None], len(GRID), axis=0)
    return policy(observation).log_prob(GRID).numpy().astype(np.float64)


def kl_on_grid(density, other):
    """KL of one density at `GRID` from another, neither of which is normalised."""
    mass, other_mass = density / density.sum(), other / other.sum()
    return (mass * np.log(mass / other_mass)).sum()


@pytest.mark.parametrize(
    ("dual", "far", "settings"),
    [
        ("state", 1.0, {"shake": 0.6}),
        # In one of the states π̃'s normaliser is almost three times that in others.
        ("batch", 3.0, {"shake": 1.0, "coupling": "piecewise_linear"}),
    ],
)
@pytest.mark.parametrize("rho", [1.0, 0.5])
def test_the_temperature_makes_the_kl_from_the_normalised_prior_equal_epsilon(
    rho, dual, far, settings
):
    """Against quadrature over the one action dimension, with Q fixed at the past α."""
    agent, config = make(
        action_size=1,
        dual=dual,
        **settings,
        prior_power=rho,
        num_dual_actions=4096,
        max_alpha_change=50.0,
        alpha_min=1e-9,
        alpha_max=1e9,
        epsilon=0.02,
    )
    states = far * make_batch(4, action_size=1).observation
    past_alpha = float(agent._alpha)
    agent._move_temperature(states, SEED)

    priors, densities = [], []
    for state, value in zip(states, agent.value(states).numpy(), strict=True):
        log_pi = log_prob_on_grid(agent.policy, state)
        log_copied = log_prob_on_grid(agent._copied_policy, state)
        prior = np.exp(rho * log_copied)
        q = past_alpha * (log_pi - rho * log_copied) + value
        priors.append(prior / prior.sum())
        densities.append(priors[-1] * np.exp(q / float(agent._alpha)))
    assert float(agent._alpha) != pytest.approx(past_alpha, rel=0.05)
    if dual == "batch":
        kl = kl_on_grid(np.concatenate(densities), np.concatenate(priors))
    else:
        kl = np.mean([kl_on_grid(*each) for each in zip(densities, priors, strict=True)])
    assert kl == pytest.approx(config.epsilon, rel=0.1)


def test_the_kl_that_is_measured_does_not_depend_on_the_dual():
    agents = [make(prior_power=0.5, dual=dual, shake=0.6)[0] for dual in ("state", "batch")]
    for agent in agents:
        agent._move_temperature(make_batch().observation, SEED)
    assert float(agents[0]._kl) == pytest.approx(float(agents[1]._kl), rel=1e-5)
    assert float(agents[0]._kl) > 0.01


def test_the_temperature_is_solved_before_the_prior_moves():
    """Afterwards π is π_k, and at ρ = 1 there would be no KL left to see."""
    agent, _ = make(prior_power=1.0, prior_period=10)
    after_step(agent, 10)
    assert float(agent._kl) > 1e-3
    assert_equal(agent.policy, agent._copied_policy)


def test_the_prior_and_the_temperature_move_once_a_period_only():
    agent, config = make(prior_period=10)
    for step in (1, 9, 11):
        after_step(agent, step)
        assert_equal(agent.policy, agent._copied_policy, equal=False)
        assert float(agent._alpha) == np.float32(config.alpha)
    after_step(agent, 20)
    assert_equal(agent.policy, agent._copied_policy)
    assert float(agent._alpha) != np.float32(config.alpha)


@pytest.mark.parametrize(
    ("epsilon", "alpha", "expected"),
    [
        (1e-6, 0.3, 0.3 * np.exp(0.3)),  # Far less KL is wanted: as far up as one move goes.
        (1.0, 0.3, 0.3 * np.exp(-0.3)),
        (1e-6, 0.9, 1.0),
        (1.0, 0.11, 0.1),
    ],
)
def test_the_temperature_moves_by_so_much_and_within_its_bounds(epsilon, alpha, expected):
    agent, _ = make(epsilon=epsilon, alpha=alpha, alpha_min=0.1, alpha_max=1.0)
    agent._move_temperature(make_batch().observation, SEED)
    assert float(agent._alpha) == pytest.approx(expected, rel=1e-5)


def test_without_a_dual_the_temperature_stays_and_the_kl_is_still_measured():
    agent, config = make(dual="none")
    agent._move_temperature(make_batch().observation, SEED)
    assert float(agent._alpha) == np.float32(config.alpha)
    assert float(agent._kl) > 0


def test_the_batch_dual_sees_the_spread_of_values_over_states():
    temperatures = {}
    for dual in ("state", "batch"):
        agent, _ = make(dual=dual, max_alpha_change=50.0)
        agent._value._network._output.w.assign_add(tf.fill([8, 1], 3.0))
        agent._move_temperature(make_batch().observation, SEED)
        temperatures[dual] = float(agent._alpha)
    assert temperatures["batch"] > 2 * temperatures["state"]


def test_the_target_value_is_copied_or_moves_smoothly():
    agent, _ = make(value_period=5)
    before = values(agent._target_value)
    after_step(agent, 4)
    assert all(map(np.array_equal, before, values(agent._target_value)))
    after_step(agent, 5)
    assert_equal(agent._value, agent._target_value)

    agent, _ = make(value_rate=0.25)
    before, online = values(agent._target_value), values(agent._value)
    after_step(agent, 1)
    for old, new, towards in zip(before, values(agent._target_value), online, strict=True):
        np.testing.assert_allclose(new, 0.75 * old + 0.25 * towards, rtol=1e-4, atol=1e-6)


def test_the_learning_rate_halves_down_to_its_least():
    agent, _ = make(learning_rate=8e-4, learning_rate_half_life=100, learning_rate_min=1e-4)
    (group,) = agent.parameter_groups()
    rates = []
    for step in (100, 200, 250, 300, 1000):
        after_step(agent, step)
        rates.append(float(group.learning_rate()))
    np.testing.assert_allclose(rates, [4e-4, 2e-4, 2e-4 / 2**0.5, 1e-4, 1e-4], rtol=1e-5)


def test_without_a_half_life_the_learning_rate_stays():
    agent, config = make(learning_rate_half_life=0)
    after_step(agent, 100_000)
    (group,) = agent.parameter_groups()
    assert float(group.learning_rate()) == np.float32(config.learning_rate)


def test_a_prior_that_never_moves_is_uniform_and_its_kl_is_measured_all_the_time():
    agent, _ = make(prior_period=0, dual="none", prior_power=0.0)
    after_step(agent, 1000)
    transitions = make_batch(4096)
    policy = agent.policy(transitions.observation)
    log_prob = policy.log_prob(policy.sample(seed=SEED))
    expected = tf.reduce_mean(log_prob) + 2 * np.log(2)
    assert float(agent.metrics(transitions, SEED)["kl"]) == pytest.approx(float(expected), abs=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {"dual": "both"},
        {"epsilon": 0.0},
        {"alpha": 20.0},
        {"alpha_min": 0.0},
        {"prior_period": -1},
        {"prior_period": 0},  # With a dual that would never be solved.
        {"prior_power": 1.1},
        {"value_rate": 0.0},
        {"num_dual_actions": 1},
        {"learning_rate_half_life": -1},
        {"learning_rate_schedule": "linear"},
        {"learning_rate_min": 0.1},  # Above learning_rate.
        {"max_shift": 0.0},
        {"hidden_sizes": (0,)},
        {"coupling_hidden_sizes": (64, 0)},
    ],
)
def test_a_setting_that_cannot_work_is_one_clear_error(changes):
    with pytest.raises(ConfigError, match=next(iter(changes))):
        quinoa.Config(**changes)


def test_an_epsilon_that_so_few_actions_cannot_show_is_an_error():
    """Half of M actions are π_k's, of which a policy at a KL of ε·A needs exp(ε·A)."""

    def learn_with(**changes):
        config = quinoa.Config(epsilon=1.0, **changes)
        quinoa.Agent.make_source(config, make_spec(), num_environments=1, steps_per_call=1)

    with pytest.raises(ConfigError, match="num_dual_actions = 15 would do"):
        learn_with(num_dual_actions=14)
    learn_with(num_dual_actions=15)
    learn_with(num_dual_actions=4, dual="none")
    # The whole batch's actions measure it together.
    learn_with(num_dual_actions=2, dual="batch", batch_size=8)
    with pytest.raises(ConfigError, match=r"log\(batch_size .* num_dual_actions = 4 would do"):
        learn_with(num_dual_actions=3, dual="batch", batch_size=4)
    learn_with(num_dual_actions=4, dual="batch", batch_size=4)
    # What a run before this bound has learned can be evaluated.
    make(epsilon=1.0, num_dual_actions=14)


@pytest.mark.parametrize("rho", [1.0, 0.7])
def test_a_policy_that_did_not_move_has_the_kl_of_forgetting_alone(rho):
    """At ρ = 1 none; below, that of π_k from π_k^ρ u^(1−ρ), here by quadrature."""
    agent, _ = make(
        action_size=1,
        shake=0.6,
        prior_power=rho,
        num_dual_actions=4096,
        coupling="piecewise_linear",
    )
    targets.copy(agent.policy.variables, agent._copied_policy.variables)
    states = make_batch(4, action_size=1).observation
    agent._move_temperature(states, SEED)

    kls = []
    for state in states:
        log_pi = log_prob_on_grid(agent.policy, state)
        kls.append(kl_on_grid(np.exp(log_pi), np.exp(rho * log_pi)))
    assert float(agent._kl) == pytest.approx(np.mean(kls), rel=0.1, abs=1e-6)
    if rho == 1.0:
        assert float(agent._kl) == pytest.approx(0.0, abs=1e-6)


def test_the_share_of_actions_on_the_boxs_edge_is_a_metric():
    agent, _ = make(shake=0.0)
    assert agent.metrics(make_batch(), SEED)["clipped_actions"] == 0.0
    for _, network in agent.policy._conditioners:
        network._output.b.assign(1e4 * tf.ones_like(network._output.b))
    # Beyond y = 7 are those with 2 atanh(u) + 2 > 7.
    share = agent.metrics(make_batch(4096), SEED)["clipped_actions"]
    assert float(share) == pytest.approx((1 - np.tanh(2.5)) / 2, rel=0.3)


def test_the_effective_actions_of_the_dual_are_a_metric_and_no_variable():
    agent, _ = make()
    variables = {variable.name for variable in agent.variables}
    assert not any("effective" in name for name in variables)
    assert agent.metrics(make_batch(), SEED)["dual_effective_actions"] == 64.0
    agent._move_temperature(make_batch().observation, SEED)
    assert 1.0 < agent.metrics(make_batch(), SEED)["dual_effective_actions"] < 64.0
    uniform, _ = make(prior_period=0, dual="none")
    assert "dual_effective_actions" not in uniform.metrics(make_batch(), SEED)
