import math
from typing import Any

import dm_env
import gymnasium
import numpy as np
import pytest
from absl.testing import absltest
from dm_env import specs, test_utils
from gymnasium import spaces, wrappers

from quinoa import environments
from quinoa.environments import CanonicalEnvironment, gymnasium_env
from quinoa.environments.gymnasium_env import UNSUPPORTED, GymnasiumEnvironment


class HalfCheetahTest(test_utils.EnvironmentTestMixin, absltest.TestCase):
    def make_object_under_test(self):
        return environments.make("gym:HalfCheetah-v4", 1)


class PendulumTest(test_utils.EnvironmentTestMixin, absltest.TestCase):
    def make_object_under_test(self):
        return environments.make("gym:Pendulum-v1", 1)

    def make_action_sequence(self):
        for _ in range(202):
            yield self.make_action()


class HopperRepeatTest(test_utils.EnvironmentTestMixin, absltest.TestCase):
    def make_object_under_test(self):
        return environments.make("gym:Hopper-v5", 1, action_repeat=3)

    def make_action_sequence(self):
        for _ in range(100):
            yield np.ones(3, np.float32)


class CartPoleTest(test_utils.EnvironmentTestMixin, absltest.TestCase):
    def make_object_under_test(self):
        return environments.make("gym:CartPole-v1", 1)


class FrozenLakeTest(test_utils.EnvironmentTestMixin, absltest.TestCase):
    def make_object_under_test(self):
        return environments.make("gym:FrozenLake-v1", 1)


class ScriptedGym(gymnasium.Env):
    """Ends its first episode at once with the given flags; records seeds and actions."""

    def __init__(self, terminated=False, truncated=False, observation_space=None, action=None):
        self.observation_space = observation_space or spaces.Box(-1, 1, (2,))
        self.action_space = action
        if action is None:
            self.action_space = spaces.Box(-2.0, 4.0, (1,), np.float32)
        self.flags = terminated, truncated
        self.seeds, self.actions = [], []

    def reset(self, *, seed=None, options=None):
        self.seeds.append(seed)
        self.observation_space.seed(0)
        return self.observation_space.sample(), {}

    def step(self, action):
        self.actions.append(action)
        return self.observation_space.sample(), 2.5, *self.flags, {}


def canonical(environment, seed=0):
    return environments.CanonicalEnvironment(GymnasiumEnvironment(environment, seed, "gym:test"))


@pytest.mark.parametrize(
    ("terminated", "truncated", "step_type", "discount"),
    [
        (False, False, dm_env.StepType.MID, 1.0),
        (False, True, dm_env.StepType.LAST, 1.0),
        (True, False, dm_env.StepType.LAST, 0.0),
        (True, True, dm_env.StepType.LAST, 0.0),
    ],
)
def test_how_an_episode_ends(terminated, truncated, step_type, discount):
    environment = canonical(ScriptedGym(terminated, truncated))
    environment.reset()
    step = environment.step([0.0])
    assert (step.step_type, step.reward, step.discount) == (step_type, 2.5, discount)
    assert environment.step([0.0]).first() == (terminated or truncated)


def test_only_the_first_reset_is_seeded():
    inner = ScriptedGym()
    environment = canonical(inner, seed=11)
    environment.reset(), environment.reset()
    assert inner.seeds == [11, None]


def test_actions_are_mapped_to_the_box():
    inner = ScriptedGym()
    environment = canonical(inner)
    environment.reset()
    for action in (-1.0, 0.0, 1.0):
        environment.step([action])
    np.testing.assert_array_equal(np.ravel(inner.actions), [-2, 1, 4])
    assert all(action in inner.action_space for action in inner.actions)


def test_nested_and_discrete_observations_are_flattened():
    space = spaces.Dict(
        {
            "b": spaces.Box(-1, 1, (2, 2)),
            "a": spaces.Tuple([spaces.Discrete(3), spaces.MultiBinary(2)]),
            "c": spaces.MultiDiscrete([2, 3]),
        }
    )
    inner = ScriptedGym(observation_space=space)
    environment = canonical(inner)
    assert environment.observation_spec() == specs.Array((14,), np.float32, "observation")
    observation = environment.reset().observation
    space.seed(0)
    expected: np.ndarray = np.asarray(spaces.flatten(space, space.sample()))
    np.testing.assert_array_equal(observation, expected)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (spaces.Text(4), "cannot be made one vector"),
        (spaces.Dict(a=spaces.Sequence(spaces.Discrete(2))), "cannot be made one vector"),
        (spaces.Dict(a=spaces.Box(0, 255, (8, 8, 3), np.uint8), b=spaces.Discrete(2)), "image"),
    ],
)
def test_unsupported_observations(space, message):
    with pytest.raises(environments.InvalidEnvironmentError, match=message):
        canonical(ScriptedGym(observation_space=space))


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (
            spaces.Dict(a=spaces.Box(-1, 1)),
            "must be a Box, Discrete, MultiDiscrete or MultiBinary, not Dict",
        ),
        (spaces.Box(-np.inf, 1.0, (2,)), "no finite bounds"),
        (spaces.Box(0, 2**24, (2,), np.int64), "may have 16,777,216 at most"),
    ],
)
def test_unsupported_actions(space, message):
    with pytest.raises(environments.InvalidEnvironmentError, match=f"^.*{message}"):
        canonical(ScriptedGym(action=space))


@pytest.mark.parametrize("start", [0, -1, 5])
def test_one_of_a_discrete_space_is_chosen_by_its_index(start):
    inner = ScriptedGym(action=spaces.Discrete(3, start=start))
    environment = canonical(inner)
    assert environment.action_spec() == specs.DiscreteArray(3, np.int32, "action")
    environment.reset()
    for index in range(3):
        environment.step(index)
    # Python's integers, which are keys of the tables that environments have.
    assert inner.actions == [start, start + 1, start + 2]
    assert {type(action) for action in inner.actions} == {int}
    batch = environments.EnvironmentBatch([environment])
    batch.reset()
    batch.step(np.array([2], np.int32))
    assert inner.actions[-1] == start + 2 and type(inner.actions[-1]) is int


@pytest.mark.parametrize(
    ("space", "numbers", "action"),
    [
        (spaces.MultiDiscrete([3, 2], start=[1, -1]), [3, 2], [3, 0]),
        (spaces.MultiDiscrete(np.array([[3], [2]])), [3, 2], [[2], [1]]),
        (spaces.MultiBinary(2), [2, 2], [1, 1]),
        (spaces.Box(4, 6, (2,), np.int32), [3, 3], [6, 6]),
    ],
)
def test_of_several_choices_each_is_chosen_by_its_index(space, numbers, action):
    inner = ScriptedGym(action=space)
    environment = canonical(inner)
    last = np.array(numbers) - 1
    assert environment.action_spec() == specs.BoundedArray((2,), np.int32, 0, last, "action")
    environment.reset()
    environment.step(last)
    np.testing.assert_array_equal(inner.actions, [action])
    assert inner.actions[0] in space


def test_several_choices_are_one_by_a_wrapper():
    inner = ScriptedGym(action=spaces.MultiDiscrete([3, 2]))
    environment = canonical(
        gymnasium.wrappers.TransformAction(
            inner, lambda index: np.array(np.unravel_index(index, (3, 2))), spaces.Discrete(6)
        )
    )
    environment.reset()
    environment.step(5)
    np.testing.assert_array_equal(inner.actions, [[2, 1]])


def test_a_discrete_observation_is_one_hot():
    with environments.make("gym:FrozenLake-v1", 0, arguments={"is_slippery": False}) as lake:
        assert lake.observation_spec() == specs.Array((16,), np.float32, "observation")
        states = [np.eye(16)[state] for state in (0, 1, 5)]
        np.testing.assert_array_equal(lake.reset().observation, states[0])
        np.testing.assert_array_equal(lake.step(2).observation, states[1])
        step = lake.step(1)  # Into a hole.
    np.testing.assert_array_equal(step.observation, states[2])
    assert (step.step_type, step.reward, step.discount) == (dm_env.StepType.LAST, 0, 0)


def test_hopper_terminates_with_discount_0():
    environment = environments.make("gym:Hopper-v4", 0)
    step = environment.reset()
    for _ in range(1000):
        step = environment.step(np.ones(3))
        if step.last():
            break
        assert step.discount == 1
    assert (step.step_type, step.discount) == (dm_env.StepType.LAST, 0)


def test_pendulum_is_truncated_at_200_with_discount_1():
    environment = environments.make("gym:Pendulum-v1", 0)
    environment.reset()
    steps = [environment.step([0.1]) for _ in range(200)]
    assert [step.last() for step in steps] == [False] * 199 + [True]
    assert {float(step.discount) for step in steps} == {1.0}


def test_its_own_ids_are_those_that_it_registers_a_class_for():
    """They are read in its source."""
    registered = {
        id_: spec.entry_point
        for id_, spec in gymnasium.registry.items()
        if str(spec.entry_point).startswith("gymnasium.")
    }
    assert gymnasium_env.own_ids() == registered
    assert "gym:Pendulum-v1" not in environments.list_environments()


def test_every_listed_id_can_be_made():
    ids = [name for name in environments.list_environments() if name.startswith("gym:")]
    assert {"gym:HalfCheetah-v4", "gym:HalfCheetah-v5", "gym:Humanoid-v5"} <= set(ids)
    assert "gym:HalfCheetah-v3" not in ids
    for name in ids:
        with environments.make(name, 0) as environment:
            environment.observation_spec().validate(environment.reset().observation)
            environment.step(environment.action_spec().generate_value())


def test_the_only_other_id_of_a_current_version_is_refused():
    registered = {
        f"gym:{id_}"
        for id_, spec in gymnasium.registry.items()
        if str(spec.entry_point).startswith("gymnasium.envs.mujoco")
    }
    assert registered - set(environments.list_environments()) == {"gym:Pusher-v4"}
    assert set(UNSUPPORTED) == {"Pusher-v4"}
    with pytest.raises(environments.InvalidEnvironmentError, match=r"only supported on .mujoco<3"):
        environments.make("gym:Pusher-v4", 0)


@pytest.mark.parametrize("version", [2, 3])
def test_versions_that_need_the_old_mujoco(version):
    with pytest.raises(
        environments.InvalidEnvironmentError, match=f"gym:HalfCheetah-v{version} cannot be made"
    ):
        environments.make(f"gym:HalfCheetah-v{version}", 0)


def test_an_id_of_a_module():
    with environments.make("gym:gymnasium:Pendulum-v1", 0) as environment:
        assert environment.action_spec().shape == (1,)
    with pytest.raises(environments.UnknownEnvironmentError, match="cannot import the module no_"):
        environments.make("gym:no_such_module:Pendulum-v1", 0)


@pytest.mark.parametrize(
    ("dt", "fps", "seconds"),
    [
        (0.02, 30, 0.02),
        (np.float32(0.5), None, 0.5),
        (lambda: 0.1, 50, 0.02),
        (lambda: 0.1, None, None),
        (-1.0, 0, None),
        (math.inf, "fast", None),
        (None, 20, 0.05),
    ],
)
def test_a_time_step_is_a_positive_number_or_not_known(dt, fps, seconds):
    class Timed(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-1, 1, (1,))
        action_space = gymnasium.spaces.Box(-1, 1, (1,))

    inner: Any = Timed()
    inner.metadata, inner.dt = {"render_fps": fps}, dt
    found = GymnasiumEnvironment(inner, 0, "gym:Timed").control_timestep()
    assert found == (None if seconds is None else pytest.approx(seconds))


class Screen(gymnasium.Env):
    """A screen that becomes brighter, grey or in colours."""

    action_space = spaces.Discrete(2)

    def __init__(self, shape):
        self._shape = shape
        self.observation_space = spaces.Box(0, 200, shape, np.uint8)
        self._t = 0

    def reset(self, *, seed=None, options=None):
        self._t = 0
        return self._screen(), {}

    def step(self, action):
        self._t += 1
        return self._screen(), 0.0, self._t == 7, False, {}

    def _screen(self):
        places = np.arange(np.prod(self._shape)) + 10 * self._t
        return places.astype(np.uint8).reshape(self._shape)


class TestImages:
    @pytest.mark.parametrize("shape", [(5, 6), (5, 6, 3)])
    def test_a_screen_is_an_image(self, shape):
        environment = GymnasiumEnvironment(Screen(shape), 0, "it")
        assert environment.observation_spec() == specs.BoundedArray(shape, np.uint8, 0, 200)
        canonical = CanonicalEnvironment(environment)
        assert canonical.observation_spec().shape == (*shape, 1)[:3]
        assert canonical.reset().observation.max() == np.prod(shape) - 1

    @pytest.mark.parametrize(("shape", "channels"), [((5, 6), 4), ((5, 6, 3), 12)])
    @pytest.mark.parametrize("wrapped", [False, True])
    def test_stacked_frames_are_channels_the_newest_one_last(self, shape, channels, wrapped):
        stacked: Any = wrappers.FrameStackObservation(Screen(shape), 4)
        outer: Any = wrappers.RecordEpisodeStatistics(stacked) if wrapped else stacked
        environment = GymnasiumEnvironment(outer, 0, "it")
        assert environment.observation_spec().shape == (5, 6, channels)
        environment.reset()
        for _ in range(5):
            observation = environment.step(0).observation
        alone, frames = Screen(shape), []
        for t in (2, 3, 4, 5):
            alone._t = t
            frames.append(alone._screen().reshape(5, 6, -1))
        np.testing.assert_array_equal(observation, np.concatenate(frames, axis=-1))
