"""Does V stay in proportion to the rewards on fixed random data, where nothing is to be learned?"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import registry
from quinoa.agents.learner import Learner
from quinoa.agents.protocol import LearnerConfig
from quinoa.agents.types import Transition
from tests.agents.fixtures import make_spec, make_transitions

# As of cheetah-run.
OBSERVATION_SIZE, ACTION_SIZE = 17, 6
ROWS = 4096


def values(name: str, max_reward: float, steps: int, **changes: Any) -> tuple[list[float], Any]:
    """The mean of V over the last batch of every 100 gradient steps, and the configuration.

    Args:
        name: the agent's.
        max_reward: rewards are drawn from 0 to this, whatever the state and action.
        steps: how many gradient steps; a multiple of 100.
        **changes: of the agent's configuration.
    """
    agent = registry.load(name)
    config: LearnerConfig = dataclasses.replace(agent.config, **changes)
    learner = Learner(agent.agent_class, config, make_spec(OBSERVATION_SIZE, ACTION_SIZE), seed=0)
    rng = np.random.default_rng(0)
    sizes = {"observation_size": OBSERVATION_SIZE, "action_size": ACTION_SIZE}
    data: Transition = make_transitions(ROWS, **sizes)._replace(
        reward=rng.uniform(0.0, max_reward, ROWS).astype(np.float32),
        discount=np.ones(ROWS, np.float32),
    )
    found = []
    for _ in range(steps // 100):
        rows = rng.integers(ROWS, size=(100, config.batch_size))
        metrics = learner.step(tf.nest.map_structure(lambda field, rows=rows: field[rows], data))
        found.append(float(metrics["value"]))
    return found, config


@pytest.mark.parametrize("name", ["iq", "m_iq"])
def test_without_rewards_a_value_hardly_grows(name):
    """V is 0.3 by then if its last layer starts at random, whatever the rewards are."""
    (value,), _ = values(name, 0.0, 100, tau=1e-3)
    assert abs(value) < 0.1


def entropy_bonus(config: Any) -> float:
    """The most that the entropy can add to the reward of a step."""
    per_dimension = math.log(2.0)
    if hasattr(config, "tau"):
        if config.policy == "multicategorical":
            per_dimension = math.log(config.num_bins)
        return config.tau * ACTION_SIZE * per_dimension
    if hasattr(config, "target_entropy") or hasattr(config, "max_log_stddev"):
        return config.alpha * ACTION_SIZE * per_dimension
    # SVG(0)'s critic has none, and Quinoa's is a divergence, which is subtracted.
    return 0.0


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.acting_names())
def test_a_value_stays_below_the_largest_reward_at_every_step_and_the_most_entropy(name):
    max_reward = 0.1
    found, config = values(name, max_reward, 3000)
    assert max(found) < (max_reward + entropy_bonus(config)) / (1.0 - config.discount)
