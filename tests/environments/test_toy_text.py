from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from absl.testing import absltest
from dm_env import test_utils

from quinoa import environments
from quinoa.environments import (
    InvalidEnvironmentError,
    UnknownEnvironmentError,
    tabular_model,
    toy_text,
)

TASKS = (
    "toy:CliffWalking-v1",
    "toy:CliffWalkingSlippery-v1",
    "toy:FrozenLake-v1",
    "toy:FrozenLake8x8-v1",
    "toy:Taxi-v4",
)
START_OF_CLIFF = 36


class TaxiTest(test_utils.EnvironmentTestMixin, absltest.TestCase):
    def make_object_under_test(self):
        return environments.make("toy:Taxi-v4", 1)

    def make_action_sequence(self):
        for _ in range(202):  # Past the time limit.
            yield self.make_action()


class FrozenLakeRepeatTest(test_utils.EnvironmentTestMixin, absltest.TestCase):
    def make_object_under_test(self):
        return environments.make("toy:FrozenLake-v1", 1, action_repeat=2)


def model_of(name, **arguments):
    with environments.make(name, 0, arguments=arguments) as environment:
        return tabular_model(environment)


def test_the_tasks_are_listed():
    listed = [name for name in environments.list_environments() if name.startswith("toy:")]
    assert tuple(listed) == TASKS


@pytest.mark.parametrize("name", TASKS)
def test_the_model_is_what_the_task_does(name):
    with environments.make(name, 3) as environment:
        model = tabular_model(environment)
        count = environment.observation_spec().shape[0]
        actions = environment.action_spec().num_values
        assert model.transition.shape == model.termination.shape == (count, actions, count)
        assert model.reward.shape == (count, actions)
        np.testing.assert_allclose(model.transition.sum(axis=-1), 1.0, rtol=1e-12)
        assert model.initial.sum() == pytest.approx(1.0)
        assert np.all((model.termination == 0) | (model.transition > 0))
        rng = np.random.default_rng(0)
        step = environment.reset()
        for _ in range(500):
            state = int(np.argmax(step.observation))
            if step.first():
                assert model.initial[state] > 0
            if step.last():
                step = environment.reset()
                continue
            action = int(rng.integers(actions))
            step = environment.step(action)
            following = int(np.argmax(step.observation))
            assert model.transition[state, action, following] > 0
            assert model.termination[state, action, following] == (step.discount == 0)
            # At the cliff, staying and falling lead to the same state.
            if "Cliff" not in name and np.count_nonzero(model.transition[state, action]) == 1:
                assert step.reward == pytest.approx(model.reward[state, action])


def test_the_model_has_the_settings_of_the_task():
    # Straight to the goal: six steps, of which the last is rewarded.
    model = model_of("toy:FrozenLake-v1", is_slippery=False)
    assert set(np.unique(model.transition)) == {0.0, 1.0}
    assert model.optimal_values(0.9)[0] == pytest.approx(0.9**5, rel=1e-12)
    wide = model_of("toy:FrozenLake-v1", is_slippery=False, map_name="8x8")
    assert wide.optimal_values(0.9)[0] == pytest.approx(0.9**13, rel=1e-12)
    own = model_of("toy:FrozenLake-v1", is_slippery=False, desc=["SFG"])
    assert own.optimal_values(0.5).tolist() == [0.5, 1.0, 0.0]


def test_exact_values_are_those_that_are_known():
    # Of the slippery lake, the probability of ever reaching the goal is 14/17.
    slippery = model_of("toy:FrozenLake-v1")
    assert slippery.optimal_values(1.0)[0] == pytest.approx(14 / 17, abs=1e-6)
    # Thirteen steps beside the cliff, each of which costs 1.
    assert model_of("toy:CliffWalking-v1").optimal_values(1.0)[START_OF_CLIFF] == -13


def test_values_that_grow_for_ever_are_refused(monkeypatch):
    monkeypatch.setattr(toy_text, "_MAX_SWEEPS", 1000)
    model = model_of("toy:CliffWalking-v1")
    endless = dataclasses.replace(model, termination=np.zeros_like(model.termination))
    with pytest.raises(ValueError, match="does not converge with the discount 1"):
        endless.optimal_values(1.0)


def test_the_expected_return_is_the_mean_of_many_episodes():
    """Of the best policy of the slippery lake, whose episodes end after a hundred steps."""
    model = model_of("toy:FrozenLake-v1")
    best = model.action_values(model.optimal_values(0.99), 0.99).argmax(axis=1)
    expected = model.expected_return(best, 100)
    assert (
        expected == model.expected_return(np.eye(4)[best], 100) == pytest.approx(0.7402, abs=1e-4)
    )
    assert model.expected_return(best, 5) == 0.0
    assert model.expected_return(np.full((16, 4), 0.25), 100) < 0.02
    rng, reached, count = np.random.default_rng(0), 0.0, 4000
    state, alive = np.zeros(count, int), np.ones(count, bool)
    for _ in range(100):
        chances = model.transition[state, best[state]].cumsum(axis=1)
        following = (rng.uniform(size=(count, 1)) > chances).sum(axis=1)
        reached += np.sum(alive & (following == 15))
        alive &= model.termination[state, best[state], following] == 0
        state = following
    assert reached / count == pytest.approx(expected, abs=0.03)
    cliff = model_of("toy:CliffWalking-v1")
    along = cliff.action_values(cliff.optimal_values(1.0), 1.0).argmax(axis=1)
    assert cliff.expected_return(along, 200) == -13


def test_a_mean_reward_is_over_all_that_may_happen():
    """A slip at the start either stays there, or falls off the cliff and comes back there."""
    model = model_of("toy:CliffWalkingSlippery-v1")
    up = 0
    assert model.transition[START_OF_CLIFF, up, START_OF_CLIFF] == pytest.approx(2 / 3)
    assert model.reward[START_OF_CLIFF, up] == pytest.approx((-1 - 1 - 100) / 3)


def test_an_episode_of_the_best_actions_has_the_value_that_the_model_says():
    with environments.make("toy:Taxi-v4", 5) as taxi:
        model = tabular_model(taxi)
        value = model.optimal_values(1.0)
        best = model.action_values(value, 1.0).argmax(axis=1)
        for _ in range(10):
            step = taxi.reset()
            expected, total = value[np.argmax(step.observation)], 0.0
            while not step.last():
                step = taxi.step(best[np.argmax(step.observation)])
                total += step.reward
            assert (total, step.discount) == (expected, 0)


@pytest.mark.parametrize(("arguments", "limit"), [({}, 200), ({"max_episode_steps": 7}, 7)])
def test_a_walk_that_does_not_end_is_truncated_with_discount_1(arguments, limit):
    """Gymnasium lets it go on for ever."""
    with environments.make("toy:CliffWalking-v1", 0, arguments=arguments) as environment:
        environment.reset()
        steps = [environment.step(3) for _ in range(limit)]  # Against the wall.
    assert [step.last() for step in steps] == [False] * (limit - 1) + [True]
    assert steps[-1].discount == 1


def test_the_same_seed_is_the_same_walk():
    def walked(seed):
        with environments.make("toy:FrozenLake-v1", seed) as environment:
            return np.array([environment.step(t % 4).observation for t in range(60)])

    np.testing.assert_array_equal(walked(1), walked(1))
    assert not np.array_equal(walked(1), walked(2))


def test_what_has_no_model_is_said():
    with (
        environments.make("gym:Pendulum-v1", 0) as pendulum,
        pytest.raises(
            InvalidEnvironmentError, match=r"of toy:Cliff.* only, not of gym:Pendulum-v1"
        ),
    ):
        tabular_model(pendulum)
    with (
        environments.make("toy:FrozenLake-v1", 0, action_repeat=2) as repeated,
        pytest.raises(InvalidEnvironmentError, match="single steps, and action_repeat is 2"),
    ):
        tabular_model(repeated)
    with pytest.raises(InvalidEnvironmentError, match="fickle_passenger has no model"):
        model_of("toy:Taxi-v4", fickle_passenger=True)


def test_a_map_that_would_be_another_one_in_each_process_is_refused():
    with pytest.raises(InvalidEnvironmentError, match="give the rows of one map as desc"):
        environments.make("toy:FrozenLake-v1", 0, arguments={"map_name": None})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("toy:FrozenLake", r"Did you mean toy:FrozenLake-v1\b"),
        ("toy:Taxi-v3", r"Did you mean toy:Taxi-v4\?"),
        # It has no table of probabilities.
        ("toy:Blackjack-v1", r"The tasks are CliffWalking-v1, .*, Taxi-v4\."),
        ("toy:xyzzy", r"The tasks are CliffWalking-v1, .*, Taxi-v4\."),
    ],
)
def test_an_unknown_task_is_told_which_there_are(name, message):
    for refuse in (environments.check_name, lambda name: environments.make(name, 0)):
        with pytest.raises(UnknownEnvironmentError, match=message):
            refuse(name)
