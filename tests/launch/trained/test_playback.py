from __future__ import annotations

import numpy as np
import pytest

from quinoa import environments
from quinoa.agents import registry
from quinoa.agents.policy import Policy
from quinoa.agents.types import NonFiniteError
from quinoa.environments import environment_spec
from quinoa.launch.trained.playback import play
from tests.launch import factories


@pytest.fixture(scope="module")
def agent():
    loaded = registry.load(registry.DEFAULT_AGENT)
    environment = environments.make("tests.launch.factories:drawn", 0)
    return loaded.agent_class(loaded.config, environment_spec(environment))


def moments(agent, count=2, **options):
    made = [environments.make("tests.launch.factories:drawn", seed) for seed in range(count)]
    return list(play(agent, made, **{"length": 100, "seed": 0, **options}))


def test_plays_every_episode_to_its_end(agent):
    played = moments(agent)
    assert [moment.step for moment in played] == list(range(factories.EPISODE_STEPS + 1))
    assert [moment.last for moment in played] == [False] * factories.EPISODE_STEPS + [True]
    assert not played[-1].running.any()
    np.testing.assert_array_equal(played[-1].lengths, [factories.EPISODE_STEPS] * 2)
    # At each step 1 less the distance, which is at most 2.
    assert (np.abs(played[-1].returns) <= factories.EPISODE_STEPS).all()
    assert played[0].returns.tolist() == [0, 0]
    assert played[0].value.shape == played[0].entropy.shape == (2,)


def test_leaves_episodes_that_are_not_over_at_the_length(agent):
    played = moments(agent, length=4)
    assert len(played) == 5
    assert played[-1].last
    assert played[-1].running.all()
    np.testing.assert_array_equal(played[-1].lengths, [4, 4])


def test_the_same_seeds_play_the_same(agent):
    first, again, other = (moments(agent, sample=True, seed=seed)[-1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.returns, again.returns)
    assert not np.array_equal(first.returns, other.returns)


def test_actions_that_are_not_finite_are_an_error(agent, monkeypatch):
    monkeypatch.setattr(agent, "policy", NotFinite())
    with pytest.raises(NonFiniteError, match="not finite"):
        moments(agent)


class NotFinite(Policy):
    """A policy whose every action is NaN."""

    def __call__(self, observation):
        from tensorflow_probability import distributions as tfd

        return tfd.MultivariateNormalDiag(observation[:, :1] * np.nan, observation[:, :1] * 0 + 1)
