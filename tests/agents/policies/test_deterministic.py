"""`deterministic_action`: what policies do where they do not sample, everywhere the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import iq, preprocessing, quinoa
from quinoa.agents.compiled_policy import CompiledPolicy
from quinoa.agents.numpy_policy import arrays_of
from quinoa.agents.policies import standalone
from tests.agents.fixtures import make_spec, perturb
from tests.agents.policies import densities

WITH_CHOICE = ("flow", "piecewise_flow", "multicategorical", "autoregressive")
KINDS = pytest.mark.parametrize("kind", WITH_CHOICE)
SEED = tf.constant([1, 2])


def acting_by(kind: str, chosen: str, dims: int) -> Any:
    """A policy whose every variable has been moved at random."""
    policy: Any = densities.make_policy(kind, dims)
    policy._deterministic_action = chosen
    return policy


@KINDS
@pytest.mark.parametrize("dims", [1, 3])
def test_the_mean_is_that_of_samples(kind, dims):
    policy = acting_by(kind, "mean", dims)
    distribution = policy(densities.observation(3)[None])
    action = policy.deterministic_action(distribution).numpy()
    samples = distribution.sample(20_000, seed=SEED).numpy()
    assert action.shape == (1, dims)
    # Of an autoregressive policy it is the mean given the most probable bins before.
    compared = slice(0, 1) if kind == "autoregressive" else slice(None)
    np.testing.assert_allclose(action[0, compared], samples.mean(axis=(0, 1))[compared], atol=0.03)
    assert np.any(np.abs(action - distribution.mode()) > 1e-3)


def test_an_autoregressive_mean_is_given_the_most_probable_bins_before_it():
    policy = acting_by("autoregressive", "mean", 2)
    distribution = policy(densities.observation()[None])
    first = distribution.mode().numpy()[:, :1]
    bins = np.linspace(-1, 1, 11, dtype=np.float32)[:, None]
    log_probs = distribution.log_prob(np.concatenate([first.repeat(11, axis=0), bins], axis=1))
    probs = tf.nn.softmax(log_probs).numpy()
    action = policy.deterministic_action(distribution).numpy()
    np.testing.assert_allclose(action[0, 1], probs @ bins[:, 0], rtol=1e-4, atol=1e-5)


@KINDS
@pytest.mark.parametrize("chosen", ["mode", "mean"])
def test_the_numpy_form_and_compiled_policies_do_the_same(kind, chosen, tmp_path):
    policy = acting_by(kind, chosen, 3)
    rng = np.random.default_rng(1)
    states = rng.normal(size=(5, densities.OBSERVATION_SIZE)).astype(np.float32)
    distribution = policy(tf.constant(states))
    expected = distribution.mean() if chosen == "mean" else distribution.mode()
    arrays = arrays_of(policy)
    assert arrays is not None
    np.savez(tmp_path / "policy.npz", **arrays)
    acts = standalone.Policy.load(tmp_path / "policy.npz")
    np.testing.assert_allclose(acts.mode(states), expected, atol=1e-4)
    act = CompiledPolicy(policy).actions(states.shape, seed=0, sample=False)
    np.testing.assert_allclose(act(states, 0), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("agent", "changes"),
    [
        (iq, {}),
        (iq, {"policy": "autoregressive"}),
        (iq, {"policy": "flow"}),
        (quinoa, {"coupling": "piecewise_linear"}),
    ],
)
def test_agents_and_normalised_observations_keep_the_setting(agent, changes):
    for chosen in ("mode", "mean"):
        config = agent.Config(
            hidden_sizes=(8,),
            coupling_hidden_sizes=(8,),
            normalize_observations=True,
            deterministic_action=chosen,
            **changes,
        )
        policy = preprocessing.applied(agent.Agent, config).make_policy(config, make_spec())
        perturb(policy.trainable_variables)
        distribution = policy(tf.ones([1, *make_spec().observations.shape]))
        action = policy.deterministic_action(distribution)
        mean, mode = distribution.mean(), distribution.mode()
        assert not np.allclose(mean, mode)
        np.testing.assert_array_equal(action, mean if chosen == "mean" else mode)


def test_policies_without_a_choice_take_the_setting():
    for config in (
        iq.Config(policy="gaussian", deterministic_action="mean"),
        quinoa.Config(coupling="additive", deterministic_action="mean"),
    ):
        agent = iq if isinstance(config, iq.Config) else quinoa
        policy = agent.Agent.make_policy(config, make_spec())
        distribution = policy(tf.ones([1, *make_spec().observations.shape]))
        np.testing.assert_array_equal(
            policy.deterministic_action(distribution), distribution.mode()
        )
