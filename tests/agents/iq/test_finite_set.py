"""On a finite set of actions the softmax is exact, and M-IQ is Munchausen DQN."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from acme import specs
from scipy import special

from quinoa.agents import iq, protocol
from quinoa.agents.learner import Learner
from quinoa.agents.policies import CategoricalPolicy
from quinoa.launch.checks.subject import random_transitions
from tests.agents.fixtures import make_spec, perturb

SEED = tf.constant([1, 2])
ACTIONS = 4
SPEC = make_spec(actions=specs.DiscreteArray(ACTIONS))
SOFTMAX = pytest.mark.parametrize("preset", ["iq", "m_iq", "pcl", "trust_pcl"])


def make(preset, **changes):
    """An agent whose targets are not its online networks."""
    config = dataclasses.replace(iq.PRESETS[preset], hidden_sizes=(8,), tau=0.5, **changes)
    tf.random.set_seed(0)
    agent = iq.Agent(config, SPEC)
    perturb(agent.variables, 0.5)
    return agent


def batch(size=32):
    return tf.nest.map_structure(tf.constant, random_transitions(SPEC, size))


def q_of(policy, value, states, tau):
    """Q(s, ·) = V(s) + τ ln π(·|s), float64 [B, n], over all actions of the set."""
    states, number = tf.constant(states), states.shape[0]
    distribution = policy(states)
    each = [distribution.log_prob(np.full(number, a, np.int32)) for a in range(ACTIONS)]
    log_policy = np.stack(each, axis=1).astype(np.float64)
    return value(states).numpy().astype(np.float64)[:, None] + tau * log_policy


@SOFTMAX
def test_the_policy_is_the_softmax_of_q_and_v_its_soft_maximum(preset):
    """Which a multicategorical policy on a box is of no Q that can be had over all actions."""
    agent, s = make(preset), batch().observation
    assert isinstance(agent.policy, CategoricalPolicy)
    q = q_of(agent.policy, agent._value, s, 0.5)
    np.testing.assert_allclose(
        agent._value(s), 0.5 * special.logsumexp(q / 0.5, axis=1), rtol=1e-4, atol=1e-5
    )
    softmax = special.softmax(q / 0.5, axis=1)
    for action in range(ACTIONS):
        log_prob = agent.policy(s).log_prob(np.full(32, action, np.int32))
        np.testing.assert_allclose(np.exp(log_prob), softmax[:, action], rtol=1e-4)


@pytest.mark.parametrize("preset", ["iq", "m_iq"])
def test_the_target_is_that_of_munchausen_dqn_for_the_same_q(preset):
    """Vieillard, Pietquin & Geist (2020), Eq. 2, which knows nothing but Q̄, without its clipping.

    r + α τ ln π̄(a|s) + γ Σ_a' π̄(a'|s') (Q̄(s', a') − τ ln π̄(a'|s')), π̄ = softmax(Q̄ / τ); with
    α = 0 it is soft DQN (Schulman et al., 2017, Eq. 83).
    """
    agent, alpha, tau = make(preset, discount=0.9), iq.PRESETS[preset].alpha, 0.5
    transitions = batch()
    s, a, r, d, next_s = [field.numpy() for field in transitions[:5]]
    networks = agent._target_policy, agent._target_value
    q, next_q = (q_of(*networks, states, tau) for states in (s, next_s))
    log_policy = special.log_softmax(q / tau, axis=1)
    next_log_policy = special.log_softmax(next_q / tau, axis=1)
    bonus = alpha * tau * log_policy[np.arange(32), a]
    next_value = np.sum(np.exp(next_log_policy) * (next_q - tau * next_log_policy), axis=1)
    expected = r + bonus + 0.9 * d * next_value
    target = agent._terms(transitions).target
    np.testing.assert_allclose(target, expected, rtol=1e-4, atol=1e-4)
    assert (np.abs(bonus).max() > 0.1) == (alpha > 0)


@SOFTMAX
def test_the_loss_trains_policy_and_value_and_metrics_are_there(preset):
    agent = make(preset)
    (group,) = agent.parameter_groups()
    with tf.GradientTape() as tape:
        loss = agent.losses(batch(), SEED)["td"]
    assert all(np.any(gradient != 0) for gradient in tape.gradient(loss, list(group.variables)))
    metrics = agent.metrics(batch(), SEED)
    assert metrics.keys() == {"td_error", "value", "entropy", "kl"}
    assert 0.0 < metrics["entropy"] < 2.0 * np.log(ACTIONS)


@pytest.mark.parametrize("preset", ["iq_gaussian", "iq_flow"])
def test_policies_for_a_box_are_refused_in_one_sentence(preset):
    with pytest.raises(protocol.SpecError, match=r"is for actions from a box, .* one of 4: with"):
        iq.Agent(iq.PRESETS[preset], SPEC)


@pytest.mark.parametrize("alpha", [0.0, 0.9])
def test_it_learns_the_soft_policy_of_a_bandit(alpha):
    """Of rewards 0, 1/4, 1/2 and 1, at the temperature (1 − α) τ (section 3.1)."""
    tau, rewards = 0.5, np.array([0.0, 0.25, 0.5, 1.0])
    config = iq.Config(
        alpha=alpha,
        tau=tau,
        discount=0.0,
        hidden_sizes=(16,),
        batch_size=64,
        learning_rate=3e-3,
        target_rate=0.05,
    )
    learner = Learner(iq.Agent, config, SPEC, seed=0)
    for call in range(20):
        superbatch = random_transitions(SPEC, 100, 64, seed=call)
        reward = rewards[superbatch.action].astype(np.float32)
        learner.step(superbatch._replace(reward=reward))
    s = tf.constant(random_transitions(SPEC, 200, seed=99).observation)
    policy = learner.agent.policy(s)
    found = [np.mean(np.exp(policy.log_prob(np.full(200, a, np.int32)))) for a in range(ACTIONS)]
    expected = special.softmax(rewards / ((1.0 - alpha) * tau))
    np.testing.assert_allclose(found, expected, atol=0.03)


class TestImages:
    SPEC = SPEC._replace(observations=specs.BoundedArray((6, 5, 2), np.uint8, 0, 1))

    @SOFTMAX
    def test_q_of_each_action_is_the_implicit_one(self, preset):
        agent = iq.Agent(dataclasses.replace(iq.PRESETS[preset], tau=0.5), self.SPEC)
        for variable in agent.trainable_variables:
            variable.assign_add(0.05 * tf.random.stateless_normal(variable.shape, SEED))
        transitions = tf.nest.map_structure(tf.constant, random_transitions(self.SPEC, 16))
        s = transitions.observation
        q = agent.action_values(s)
        assert q is not None and s.dtype == tf.uint8
        np.testing.assert_allclose(q, q_of(agent.policy, agent._value, s, 0.5), rtol=1e-4)
        with tf.GradientTape() as tape:
            loss = agent.losses(transitions, SEED)["td"]
        (group,) = agent.parameter_groups()
        assert np.isfinite(loss)
        assert all(np.any(each) for each in tape.gradient(loss, list(group.variables)))

    def test_on_a_box_they_are_refused_in_one_sentence(self):
        with pytest.raises(
            protocol.SpecError, match=r"are images.*takes vectors where actions are from a box"
        ):
            iq.Agent(iq.PRESETS["iq"], self.SPEC._replace(actions=make_spec().actions))
