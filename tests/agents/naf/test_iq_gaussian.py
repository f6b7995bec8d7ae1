"""NAF's parametrisation is IQ's with a Gaussian policy (IQ paper, section 5), up to what is said.

IQ has Q = V + τ ln π. With π = N(μ, Σ) that is NAF's quadratic with P = τ Σ⁻¹, plus a constant of
the state, as NAF's V is the greatest Q, and IQ's is the soft one. `iq_gaussian` squashes its
Gaussian into the box, so that its Q is such a quadratic in y = atanh(a), less τ times the log-slope
of the squashing.
"""

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import iq, naf
from quinoa.agents.iq import loss as iq_loss
from quinoa.agents.naf import loss as naf_loss
from quinoa.agents.policies import squash
from tests.agents.fixtures import make_spec, make_transitions, perturb

TAU = 0.3


@pytest.fixture(scope="module")
def agent():
    tf.random.set_seed(0)
    made = iq.Agent(iq.Config(policy="gaussian", tau=TAU, hidden_sizes=(16,)), make_spec())
    perturb(made.variables)
    return made


def of_iq(agent, s, a):
    return iq_loss.implicit_q(agent.policy(s).log_prob(a), agent.value(s), TAU)


def as_naf(agent, s):
    """μ, L and V of NAF's quadratic in y that IQ's Gaussian gives, from its formulas."""
    gaussian = agent.policy(s)._distribution
    mean, stddev = gaussian.mode(), gaussian.stddev()
    factor = tf.linalg.diag(np.sqrt(TAU) / stddev)
    # The Gaussian's log-density at its mean.
    peak = -tf.reduce_sum(tf.math.log(stddev) + 0.5 * np.log(2.0 * np.pi), axis=-1)
    return mean, factor, agent.value(s) + TAU * peak


def test_q_is_nafs_quadratic_in_the_gaussians_coordinates_less_the_squashing(agent):
    s = tf.constant(make_transitions(64).observation)
    y = tf.random.stateless_normal([64, 2], [1, 2])
    mean, factor, best_value = as_naf(agent, s)
    quadratic = best_value + naf_loss.advantage(y, mean, factor)
    of_slope = TAU * tf.reduce_sum(squash.log_slope(y), axis=-1)
    np.testing.assert_allclose(of_iq(agent, s, tf.tanh(y)), quadratic - of_slope, atol=2e-4)
    # Which is not 0: in the actions themselves iq_gaussian's Q is no quadratic.
    assert np.max(np.abs(of_slope)) > 0.1


def test_nafs_value_is_the_greatest_q_and_iqs_the_soft_one(agent):
    """In y, where τ ln ∫ exp(Q/τ) dy is V, and max Q is above or below it by τ ln N(μ; μ, Σ)."""
    s = tf.constant(make_transitions(1).observation)
    mean, factor, best_value = as_naf(agent, s)
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)
    # The nodes stand where the Gaussian is: y = μ + σ x.
    stddev = np.sqrt(TAU) / np.diagonal(factor[0].numpy())
    grid = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    weight = np.outer(weights, weights).ravel() * np.exp(0.5 * np.sum(grid**2, axis=-1))
    y = tf.constant((mean.numpy() + stddev * grid).astype(np.float32))
    count = len(grid)
    q = best_value + naf_loss.advantage(
        y, tf.tile(mean, [count, 1]), tf.tile(factor, [count, 1, 1])
    )
    integral = np.sum(weight * np.exp(q.numpy().astype(np.float64) / TAU)) * np.prod(stddev)
    np.testing.assert_allclose(TAU * np.log(integral), agent.value(s)[0], atol=1e-3)
    assert np.max(q) == pytest.approx(float(best_value[0]), abs=1e-4)
    assert abs(float(best_value[0] - agent.value(s)[0])) > 0.05


def test_naf_has_covariances_that_a_diagonal_gaussian_has_not():
    config = naf.Config(hidden_sizes=(16,))
    factor = naf.Agent(config, make_spec())._factor
    layers = [variable for variable in factor.variables if variable.shape.rank == 1]
    layers[-1].assign([0.5, -0.3, 0.2])
    lower = factor(tf.zeros([1, 3])).numpy()[0]
    precision = lower @ lower.T
    assert abs(precision[0, 1]) > 0.05
