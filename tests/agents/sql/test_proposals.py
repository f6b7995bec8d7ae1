"""Tests of what the soft value's actions are drawn from."""

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents.policies import SamplerPolicy
from quinoa.agents.sql import proposals
from tests.agents.fixtures import perturb

SEED = tf.constant([1, 2])
NUM_STATES, NUMBER = 3, 4000


def _drawn(kind: str) -> tuple[tf.Tensor, tf.Tensor]:
    if kind == "uniform":
        return proposals.uniform(NUM_STATES, NUMBER, 2, SEED)
    policy = SamplerPolicy(5, 2, hidden_sizes=(8,))
    if kind == "learned sampler":
        perturb(policy.trainable_variables)
    return proposals.sampled(
        policy, tf.random.stateless_normal([NUM_STATES, 5], SEED), NUMBER, SEED
    )


@pytest.mark.parametrize("kind", ["uniform", "new sampler", "learned sampler"])
def test_weights_by_the_density_make_means_of_integrals_over_the_box(kind):
    """E_q[f / q] is the integral of f, whatever the proposals; here f = (1 − a²)(1 − b²)."""
    action, log_density = _drawn(kind)
    assert action.shape == (NUM_STATES, NUMBER, 2) and log_density.shape == (NUM_STATES, NUMBER)
    assert np.abs(action).max() <= 1.0
    weights = np.prod(1.0 - np.square(action), axis=-1) * np.exp(-log_density)
    error = weights.std(axis=1) / np.sqrt(NUMBER)
    assert np.all(np.abs(weights.mean(axis=1) - (4.0 / 3.0) ** 2) < 5.0 * error)
    assert np.all(error < 0.1)


@pytest.mark.parametrize("kind", ["uniform", "new sampler"])
def test_another_seed_draws_others(kind):
    policy, s = SamplerPolicy(5, 2, hidden_sizes=(8,)), tf.zeros([1, 5])
    drawn = [
        proposals.uniform(1, 3, 2, tf.constant([seed, 0]))[0]
        if kind == "uniform"
        else proposals.sampled(policy, s, 3, tf.constant([seed, 0]))[0]
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert np.all(drawn[0] != drawn[2])
