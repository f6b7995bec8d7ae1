from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from absl.testing import absltest
from dm_env import specs, test_utils

from quinoa import environments
from quinoa.environments import InvalidEnvironmentError, UnknownEnvironmentError, atari, rendering

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(module) is None for module in ("ale_py", "cv2")),
    reason="the extra atari is not installed",
)


class PongTest(test_utils.EnvironmentTestMixin, absltest.TestCase):
    def make_object_under_test(self):
        return environments.make("atari:pong", 1)

    def make_action_sequence(self):
        for _ in range(20):
            yield self.make_action()


def test_frames_are_stacked_with_the_newest_one_last():
    with environments.make("atari:breakout", 3) as environment:
        assert environment.observation_spec() == specs.BoundedArray((84, 84, 4), np.uint8, 0, 255)
        assert environment.action_spec() == specs.DiscreteArray(4, np.int32)
        first = environment.reset().observation
        assert first.any()
        for channel in range(4):
            np.testing.assert_array_equal(first[..., channel], first[..., 0])
        before = first
        for t in range(30):
            step = environment.step(t % 4)
            np.testing.assert_array_equal(step.observation[..., :-1], before[..., 1:])
            before = step.observation
        assert (before[..., -1] != before[..., 0]).any()


def test_the_screen_is_what_gymnasium_makes_of_it():
    import ale_py.env
    from gymnasium.wrappers import AtariPreprocessing

    theirs: Any = AtariPreprocessing(ale_py.env.AtariEnv("pong", frameskip=1), noop_max=0)
    with environments.make("atari:pong", 7) as ours:
        seen, _ = theirs.reset(seed=7)
        np.testing.assert_array_equal(ours.reset().observation[..., -1], seen)
        for t in range(50):
            seen, reward, *_ = theirs.step(t % 6)
            step = ours.step(t % 6)
            np.testing.assert_array_equal(step.observation[..., -1], seen)
            assert step.reward == reward


@pytest.mark.parametrize(("sticky", "is_random"), [(0.25, True), (0.0, False)])
def test_sticky_actions_make_seeds_differ(sticky, is_random):
    def played(seed):
        arguments = {"sticky_action_prob": sticky}
        with environments.make("atari:pong", seed, arguments=arguments) as environment:
            environment.reset()
            return np.array([environment.step(t % 6).observation for t in range(60)])

    np.testing.assert_array_equal(played(1), played(1))
    assert (played(1) != played(2)).any() == is_random


def test_its_settings_are_those_of_the_protocol_unless_others_are_given():
    arguments = {
        "num_frames": 2,
        "size": 42,
        "frame_skip": 2,
        "full_action_set": True,
        "max_frames": 40,
    }
    with environments.make("atari:breakout", 0, arguments=arguments) as environment:
        assert environment.observation_spec().shape == (42, 42, 2)
        assert environment.action_spec().num_values == 18
        environment.reset()
        steps = [environment.step(0)]
        while not steps[-1].last():
            steps.append(environment.step(0))
        # The limit is a truncation.
        assert len(steps) == 20 and steps[-1].discount == 1.0
        assert rendering.step_seconds(environment) == pytest.approx(2 / 60)


def test_a_lost_life_is_an_end_only_where_that_is_asked_for():
    def length(**arguments):
        with environments.make("atari:breakout", 0, arguments=arguments) as environment:
            environment.reset()
            for number in range(1, 400):
                # It fires, and then waits until the ball is lost.
                step = environment.step(1 if number < 10 else 0)
                if step.last():
                    return number, float(step.discount)
        return None

    assert length() is None
    ended = length(terminal_on_life_loss=True)
    assert ended is not None and ended[0] < 200 and ended[1] == 0.0


def test_rewards_are_clipped_only_where_that_is_asked_for():
    def rewards(**arguments):
        with environments.make("atari:space_invaders", 0, arguments=arguments) as environment:
            environment.reset()
            return [float(environment.step(1).reward) for _ in range(200)]

    assert max(rewards()) >= 5.0
    assert max(rewards(clip_rewards=True)) == 1.0


def test_it_is_rendered_in_colour():
    environment = environments.make("atari:breakout", 0, rendered=True)
    environment.reset()
    picture = rendering.render(environment, 210)
    assert (picture.shape, picture.dtype) == ((210, 160, 3), np.uint8)
    assert (picture[..., 0] != picture[..., 2]).any()


@pytest.mark.parametrize(
    "argument", [{"sticky_action_prob": 2.0}, {"frame_skip": 0}, {"noop_max": -1}]
)
def test_what_cannot_be_is_refused(argument):
    (name,) = argument
    with pytest.raises(InvalidEnvironmentError, match=f"{name} must be "):
        environments.make("atari:pong", 0, arguments=argument)


def test_the_games_are_listed_where_it_is_installed(monkeypatch):
    listed = [name for name in environments.list_environments() if name.startswith("atari:")]
    assert len(listed) > 50 and {"atari:pong", "atari:beam_rider"} <= set(listed)
    monkeypatch.setattr(atari, "_MODULES", ("ale_py", "no_such_module"))
    with pytest.raises(InvalidEnvironmentError, match=r"pip install 'path/to/quinoa\[atari\]'$"):
        environments.check_name("atari:pong")
    monkeypatch.setattr(atari, "_folder", lambda: None)
    assert atari.names() == []


def test_an_unknown_game_is_told_its_likes():
    with pytest.raises(UnknownEnvironmentError, match=r"Did you mean atari:pong\?"):
        environments.make("atari:pomg", 0)


def test_the_names_are_there_without_the_emulator():
    code = (
        "import sys; from quinoa import environments; environments.check_name('atari:pong'); "
        "unwanted = {'ale_py', 'cv2', 'gymnasium', 'tensorflow'} & set(sys.modules); "
        "sys.exit(', '.join(unwanted) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
