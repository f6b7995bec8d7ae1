from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from absl.testing import absltest
from dm_env import specs, test_utils

from quinoa import environments
from quinoa.environments import InvalidEnvironmentError, UnknownEnvironmentError, minatar, rendering

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("minatar") is None, reason="MinAtar is not installed"
)

CHANNELS = {"asterix": 4, "breakout": 4, "freeway": 7, "seaquest": 10, "space_invaders": 6}
GAMES = pytest.mark.parametrize("game", CHANNELS)


class BreakoutTest(test_utils.EnvironmentTestMixin, absltest.TestCase):
    def make_object_under_test(self):
        return environments.make("minatar:breakout", 1)

    def make_action_sequence(self):
        for _ in range(30):
            yield self.make_action()


@pytest.fixture
def original(monkeypatch):
    """MinAtar itself, without the libraries of its display."""
    for library in ("matplotlib", "seaborn"):
        monkeypatch.setitem(sys.modules, library, None)
    yield importlib.import_module("minatar").Environment
    for name in [name for name in sys.modules if name.partition(".")[0] == "minatar"]:
        del sys.modules[name]


@GAMES
def test_a_game_is_minatars_own(game, original):
    theirs = original(game)
    theirs.seed(5)
    theirs.reset()
    rng = np.random.default_rng(0)
    episodes = 0
    with environments.make(f"minatar:{game}", 5) as ours:
        board = specs.BoundedArray((10, 10, CHANNELS[game]), np.uint8, 0, 1)
        assert ours.observation_spec() == board
        assert ours.action_spec() == specs.DiscreteArray(6, np.int32)
        step = ours.reset()
        for _ in range(600):
            np.testing.assert_array_equal(step.observation, theirs.state())
            assert step.observation.dtype == np.uint8
            if step.last():
                episodes += 1
                theirs.reset()
                step = ours.reset()
                continue
            action = int(rng.integers(6))
            reward, is_over = theirs.act(action)
            step = ours.step(action)
            assert (step.reward, step.last(), step.discount) == (reward, is_over, 1.0 - is_over)
    # A game of freeway has 2500 steps.
    assert episodes > 0 or game == "freeway"


def test_its_settings_are_minatars():
    arguments = {"sticky_action_prob": 0.0, "minimal_action_set": True}
    with environments.make("minatar:breakout", 0, arguments=arguments) as environment:
        assert environment.action_spec().num_values == 3
        environment.reset()
        paddle = [
            int(np.argmax(environment.step(action).observation[9, :, 0]))
            for action in (1, 1, 2, 0)  # Left, left, right, nothing.
        ]
    assert paddle == [3, 2, 3, 3]
    with pytest.raises(InvalidEnvironmentError, match=r"sticky_action_prob must be from 0 to 1"):
        environments.make("minatar:breakout", 0, arguments={"sticky_action_prob": 2.0})


def test_a_board_may_be_a_vector():
    images = environments.make("minatar:seaquest", 3)
    vectors = environments.make("minatar:seaquest", 3, arguments={"flat": True})
    assert vectors.observation_spec() == specs.Array((1000,), np.float32)
    steps = [(images.reset(), vectors.reset())]
    steps += [(images.step(t % 6), vectors.step(t % 6)) for t in range(50)]
    for image, vector in steps:
        np.testing.assert_array_equal(image.observation.ravel(), vector.observation)


@GAMES
def test_the_same_seed_is_the_same_game(game):
    def played(seed):
        with environments.make(f"minatar:{game}", seed) as environment:
            environment.reset()
            return np.array([environment.step(t % 6).observation for t in range(300)])

    np.testing.assert_array_equal(played(1), played(1))
    assert not np.array_equal(played(1), played(2))


def test_it_is_drawn_square_by_square():
    environment = environments.make("minatar:breakout", 0, rendered=True)
    environment.reset()
    environment.step(0)
    board = environment.step(0).observation
    picture = rendering.render(environment, 240)
    assert (picture.shape, picture.dtype) == ((240, 240, 3), np.uint8)
    squares = picture[12::24, 12::24]
    is_black = (squares == 0).all(axis=-1)
    np.testing.assert_array_equal(is_black, ~board.any(axis=-1))
    colours = {tuple(colour) for colour in squares[~is_black]}
    # Of the paddle, the ball, its trail and the bricks.
    assert len(colours) == 4
    assert rendering.step_seconds(environment) == 0.05


def test_it_imports_neither_plots_nor_minatars_package():
    code = (
        "import sys; from quinoa import environments; "
        "environments.make('minatar:breakout', 0).reset(); "
        "unwanted = {'gymnasium', 'matplotlib', 'minatar', 'seaborn', 'tensorflow'}; "
        "sys.exit(', '.join(unwanted & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_games_are_listed_where_it_is_installed(monkeypatch):
    listed = [name for name in environments.list_environments() if name.startswith("minatar:")]
    assert listed == [f"minatar:{game}" for game in CHANNELS]
    monkeypatch.setattr(minatar, "_folder", lambda: None)
    assert minatar.names() == []
    with pytest.raises(InvalidEnvironmentError, match=r"not installed: pip install minatar$"):
        environments.check_name("minatar:breakout")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("minatar:brekout", r"Did you mean minatar:breakout\?"),
        ("minatar:pong", r"The games are asterix, breakout, freeway, seaquest, space_invaders\."),
    ],
)
def test_an_unknown_game_is_told_which_there_are(name, message):
    with pytest.raises(UnknownEnvironmentError, match=message):
        environments.make(name, 0)
