"""The agent's loss is NAF's on its own networks, and its Q has its best action where it says."""

import numpy as np
import tensorflow as tf

from quinoa.agents import naf
from quinoa.agents.learner import Learner
from quinoa.agents.naf import loss as naf_loss
from quinoa.agents.naf.networks import PrecisionFactor
from tests.agents.fixtures import make_batch, make_spec, make_transitions, perturb

SEED = tf.constant([1, 2])


def make(**changes):
    tf.random.set_seed(0)
    agent = naf.Agent(naf.Config(hidden_sizes=(8,), **changes), make_spec())
    perturb(agent.variables)
    return agent


def test_the_advantage_is_the_quadratic_form_by_hand():
    # L = (2 0; 1 3), so P = (4 2; 2 10).
    factor = tf.constant([[[2.0, 0.0], [1.0, 3.0]]])
    action, best = tf.constant([[1.0, 0.5]]), tf.constant([[0.0, 1.0]])
    # ½ (1, −½) P (1, −½)ᵀ = ½ (4 − 2 + 2.5).
    np.testing.assert_allclose(naf_loss.advantage(action, best, factor), [-2.25])


def test_the_factor_is_lower_triangular_with_a_positive_diagonal_however_large_its_network_gives():
    module = PrecisionFactor(3, 4, (8,))
    np.testing.assert_allclose(module(make_batch().observation), np.tile(np.eye(4), (32, 1, 1)))
    perturb(module.variables, 30.0)
    factor = module(make_batch().observation).numpy()
    assert not np.any(np.triu(factor, k=1))
    diagonal = np.diagonal(factor, axis1=1, axis2=2)
    assert np.all(np.isfinite(diagonal)) and np.all(diagonal > 0)
    # A full matrix, that differs from state to state.
    assert np.all(np.std(factor, axis=0)[np.tril_indices(4)] > 0)


def test_the_loss_is_the_paper_s():
    agent = make(discount=0.9)
    s, a, r, d, next_s, *_ = transitions = make_batch()
    factor = agent._factor(s).numpy()
    deviation = (a - agent.policy(s).mode()).numpy()
    precision = factor @ factor.transpose(0, 2, 1)
    advantage = -0.5 * np.einsum("bi,bij,bj->b", deviation, precision, deviation)
    error = r + 0.9 * d * agent._target_value(next_s) - (agent._value(s) + advantage)
    losses = agent.losses(transitions, SEED)
    np.testing.assert_allclose(losses["td"], np.mean(error**2), rtol=1e-5)
    metrics = agent.metrics(transitions, SEED)
    assert metrics.keys() == {"td_error", "value", "advantage"}
    np.testing.assert_allclose(metrics["td_error"], np.mean(np.abs(error)), rtol=1e-5)
    np.testing.assert_allclose(metrics["advantage"], np.mean(advantage), rtol=1e-5)
    np.testing.assert_array_equal(agent.value(s), agent._value(s))


def test_one_group_trains_all_three_networks_and_the_target_is_fixed():
    agent = make()
    (group,) = agent.parameter_groups()
    expected = {v.ref() for m in (agent.policy, agent._value, agent._factor) for v in m.variables}
    assert {v.ref() for v in group.variables} == expected
    with tf.GradientTape(persistent=True) as tape:
        losses = agent.losses(make_batch(), SEED)
    assert all(np.any(g != 0) for g in tape.gradient(losses["td"], list(group.variables)))
    none = tape.gradient(losses["td"], list(agent._target_value.variables))
    assert all(gradient is None for gradient in none)


def test_the_target_moves_smoothly_and_starts_as_v():
    agent = naf.Agent(naf.Config(hidden_sizes=(8,), target_rate=0.25), make_spec())
    for variable in agent._value.variables:
        variable.assign_add(tf.ones_like(variable))
    before = [variable.numpy() for variable in agent._target_value.variables]
    agent.after_step(tf.constant(1, tf.int64), make_batch(), SEED)
    for target, was in zip(agent._target_value.variables, before, strict=True):
        np.testing.assert_allclose(target, was + 0.25, rtol=1e-5, atol=1e-6)


def test_gradient_steps_find_a_quadratic_reward_exactly():
    """Terminal steps that reward −(a − c)ᵀ W (a − c): μ becomes c and P becomes 2 W."""
    config = naf.Config(hidden_sizes=(32,), batch_size=64, learning_rate=1e-2, discount=0.0)
    learner = Learner(naf.Agent, config, make_spec(), seed=0)
    batches = make_transitions(1500, 64)
    best, weights = np.array([0.5, -0.3], np.float32), np.array([[2.0, 0.8], [0.8, 1.0]])
    deviation = batches.action - best
    reward = -np.einsum("...i,ij,...j->...", deviation, weights, deviation).astype(np.float32)
    learner.step(batches._replace(reward=reward))
    agent, s = learner.agent, batches.observation[0]
    np.testing.assert_allclose(np.mean(agent.policy(s).mode(), axis=0), best, atol=0.05)
    factor = agent._factor(tf.constant(s)).numpy()
    precision = np.mean(factor @ factor.transpose(0, 2, 1), axis=0)
    np.testing.assert_allclose(precision, 2.0 * weights, atol=0.25)
