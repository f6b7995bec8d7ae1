"""Figures 1 and 2: at a local optimum DDPG stays, Smoothie leaves, and σ falls, rises and falls."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from quinoa.agents import ddpg, protocol, smoothie
from quinoa.agents.compiled_policy import CompiledPolicy
from quinoa.agents.exploration import OrnsteinUhlenbeck
from quinoa.agents.learner import Learner
from quinoa.agents.smoothie import loss as smoothie_loss
from quinoa.agents.types import Transition
from quinoa.environments.didactic import TwoGaussians
from tests.agents.fixtures import make_spec

STDDEV = 0.4
BEST = 0.8
K, B, CALLS = 50, 64, 200
SPEC = make_spec(1, 1)


def phases(stddev: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """How far σ falls, then rises, then falls again, each as a quotient above 1."""
    least = np.minimum.accumulate(stddev)
    top = int(np.argmax(stddev / least))
    bottom = int(np.argmin(stddev[: top + 1]))
    return stddev[0] / stddev[bottom], stddev[top] / stddev[bottom], stddev[top] / stddev[-1]


def test_with_the_exact_smoothed_function_the_mean_leaves_and_sigma_has_three_phases():
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()

    def reward(y):
        heights = ((0.8, 0.0), (1.0, BEST))
        return sum(h * tf.exp(-0.5 * ((tf.tanh(y) - mean) / 0.2) ** 2) for h, mean in heights)

    # The environment's.
    grid = np.linspace(-2.0, 2.0, 9)
    np.testing.assert_allclose(reward(grid), TwoGaussians().reward(np.tanh(grid)))
    mean, log_variance = (tf.Variable(value, dtype=tf.float64) for value in ([[0.0]], [0.0]))
    log_variance.assign([2.0 * np.log(STDDEV)])
    optimizer = tf.keras.optimizers.legacy.Adam(6e-3)

    def step():
        def smoothed(y):
            return tf.linalg.matvec(reward(y + tf.exp(0.5 * log_variance) * nodes), weights)

        found = smoothie_loss.derivatives(smoothed, tf.identity(mean))
        with tf.GradientTape() as tape:
            loss = smoothie_loss.actor_loss(mean, tf.exp(log_variance), *found)
        variables = [mean, log_variance]
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    stddev, traced = [], tf.function(step, autograph=False)
    for _ in range(700):
        stddev.append(float(np.exp(0.5 * log_variance[0])))
        traced()
    assert float(tf.tanh(mean)) == pytest.approx(BEST, abs=0.05)
    fall, rise, last = phases(np.array(stddev))
    assert (fall > 1.05, rise > 1.15, last > 2.0) == (True, True, True), (fall, rise, last)
    # The reward itself has a local maximum where it began.
    y = np.linspace(-0.05, 0.05, 11)
    assert np.argmax(reward(y)) == 5


def learned(
    agent_class: type[protocol.Agent],
    config: protocol.OffPolicyConfig,
    seed: int,
    look: Callable[[protocol.Agent], tuple[float, float]],
    *,
    uniform: npt.NDArray[np.float32] | None = None,
) -> npt.NDArray[np.float64]:
    """Trains an agent on the bandit, from replay of all its actions.

    Args:
        agent_class: of the agent.
        config: its settings.
        seed: of everything random.
        look: takes two numbers of the agent.
        uniform: further actions in replay, float32 [N, 1].

    Returns:
        What was seen before each call of the learner, float64 [CALLS, 2].
    """
    learner = Learner(agent_class, config, SPEC, seed=seed)
    act = CompiledPolicy(learner.agent.policy).samples((B, 1), seed=seed)
    exploration, rng, task = config.exploration(), np.random.default_rng(seed), TwoGaussians()
    noise = None if exploration is None else exploration.start((B, 1), seed=seed)
    actions: list[npt.NDArray[np.float32]] = [] if uniform is None else [uniform]
    seen = []
    for call in range(CALLS):
        seen.append(look(learner.agent))
        for step in range(10 if call == 0 else 1):
            action, _ = act(np.zeros((B, 1), np.float32), call + 1000 * step)
            actions.append(action if noise is None else noise.add(action))
        every = np.concatenate(actions)
        drawn = rng.integers(len(every), size=(K, B))
        zeros = np.zeros((K, B, 1), np.float32)
        reward = task.reward(every[drawn])[..., 0].astype(np.float32)
        ended = np.ones((K, B), bool)
        learner.step(
            Transition(zeros, every[drawn], reward, np.zeros((K, B), np.float32), zeros, ended)
        )
    return np.array(seen)


def smoothies(seed, critic, **options):
    """The mean action and the deviation of Smoothie along its training."""
    config = smoothie.Config(
        hidden_sizes=(64, 64),
        batch_size=B,
        learning_rate=5e-3,
        actor_learning_rate=2.5e-4,
        initial_stddev=STDDEV,
        kl_weight=0.0,
        discount=0.0,
        critic=critic,
    )

    def look(agent):
        mode = agent.policy(tf.zeros([1, 1])).mode()
        return float(mode), float(tf.sqrt(agent.policy.variance()))

    return learned(smoothie.Agent, config, seed, look, **options).T


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_smoothie_leaves_the_local_optimum_in_every_seed_with_three_phases_of_sigma(seed):
    mean, stddev = smoothies(seed, "two_networks")
    assert abs(mean[0]) < 0.05
    assert mean[-1] == pytest.approx(BEST, abs=0.1), mean
    fall, rise, last = phases(stddev)
    assert (fall > 1.01, rise > 1.05, last > 1.3) == (True, True, True), stddev


@pytest.mark.slow
def test_phantom_actions_do_the_same_where_replay_is_uniform_as_the_paper_assumes():
    y = np.random.default_rng(5).uniform(-2.5, 2.5, (20_000, 1))
    mean, stddev = smoothies(0, "phantom", uniform=np.tanh(y).astype(np.float32))
    assert mean[-1] > 0.6, mean
    fall, rise, last = phases(stddev)
    assert (fall > 1.01, rise > 1.05, last > 1.3) == (True, True, True), stddev


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_ddpg_stays_at_it_in_every_seed(seed):
    config = ddpg.Config(
        hidden_sizes=(64, 64),
        batch_size=B,
        learning_rate=5e-3,
        actor_learning_rate=2.5e-4,
        # As wide as Smoothie begins.
        noise_theta=1.0,
        noise_sigma=STDDEV,
        discount=0.0,
    )
    assert config.exploration() == OrnsteinUhlenbeck(1.0, STDDEV)
    mean, _ = learned(
        ddpg.Agent, config, seed, lambda agent: (float(agent.policy.action(tf.zeros([1, 1]))), 0.0)
    ).T
    assert np.abs(mean).max() < 0.25, mean
