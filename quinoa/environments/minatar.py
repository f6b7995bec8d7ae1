"""The five games of MinAtar, `minatar:<game>`: Atari games on a board of 10 × 10.

Young and Tian (2019), "MinAtar: An Atari-Inspired Testbed for Thorough and Reproducible
Reinforcement Learning Experiments". The package is not installed with Quinoa: its licence is the
GPL. Its games are read from their files, as importing it imports libraries for plots: two seconds
and 110 MB in each actor.

A board of C channels is an image, uint8 [10, 10, C], whose pixels are 0 or 1. With `flat=True` it
is one vector, in the order of rows, columns and channels, for agents that take vectors.
"""

from __future__ import annotations

import functools
import importlib.util
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dm_env
import numpy as np
import numpy.typing as npt
from dm_env import specs

from quinoa.environments.errors import InvalidEnvironmentError, require_known

_GAMES = ("asterix", "breakout", "freeway", "seaquest", "space_invaders")
# All games have these: nothing, left, up, right, down, fire.
_NUM_ACTIONS = 6
# The side of a square of the board, in pixels, and the seconds a step is shown for by MinAtar.
_SQUARE = 24
_STEP_S = 0.05
_MID = dm_env.StepType.MID


class MinAtarEnvironment(dm_env.Environment):
    """A game as `minatar.Environment` has it, by default with sticky actions and ramping.

    A game's end is a termination; none has a time limit. Its rewards are points.
    """

    def __init__(
        self,
        game: str,
        seed: int,
        *,
        sticky_action_prob: float = 0.1,
        difficulty_ramping: bool = True,
        minimal_action_set: bool = False,
        flat: bool = False,
    ) -> None:
        """Makes a game.

        Args:
            game: its name.
            seed: of all that is random.
            sticky_action_prob: the probability that a step repeats the last action in place of the
                one that is given, from 0 to 1.
            difficulty_ramping: whether asterix, seaquest and space_invaders get faster with time.
            minimal_action_set: whether actions without an effect in this game are left out, as in
                MinAtar's `-v1` ids. By default there are six in all games.
            flat: whether an observation is one vector in place of an image.

        Raises:
            ValueError: `sticky_action_prob` is no probability.
        """
        if not 0.0 <= sticky_action_prob <= 1.0:
            raise ValueError(f"sticky_action_prob must be from 0 to 1, not {sticky_action_prob}.")
        self._random = np.random.RandomState(seed)
        self._game = game_class(game)(ramping=difficulty_ramping)
        # The game and what makes actions sticky draw from one generator, as in MinAtar.
        self._game.random = self._random
        self._sticky_action_prob = sticky_action_prob
        self._actions = list(range(_NUM_ACTIONS))
        if minimal_action_set:
            self._actions = self._game.minimal_action_set()
        self._flat = flat
        # It is the last one of the episode before, in the first step: so it is in MinAtar.
        self._last_action = 0
        self._needs_reset = True

    def reset(self) -> dm_env.TimeStep:
        """Starts an episode."""
        self._game.reset()
        self._needs_reset = False
        return dm_env.restart(self._observe())

    def step(self, action: Any) -> dm_env.TimeStep:
        """Applies an action, or starts an episode if none is running."""
        if self._needs_reset:
            return self.reset()
        chosen = self._actions[int(action)]
        if self._random.rand() < self._sticky_action_prob:
            chosen = self._last_action
        self._last_action = chosen
        reward, self._needs_reset = self._game.act(chosen)
        if self._needs_reset:
            return dm_env.termination(reward, self._observe())
        # What `dm_env.transition` makes, which takes as long as a third of a game's step.
        return dm_env.TimeStep(_MID, reward, 1.0, self._observe())

    def observation_spec(self) -> specs.Array:
        """Uint8 [10, 10, C] of 0 and 1; bool [10 · 10 · C] if it is flat."""
        shape = tuple(map(int, self._game.state_shape()))
        if self._flat:
            return specs.Array((math.prod(shape),), np.bool_)
        return specs.BoundedArray(shape, np.uint8, 0, 1)

    def action_spec(self) -> specs.DiscreteArray:
        """One of the game's actions."""
        return specs.DiscreteArray(len(self._actions), np.int64)

    def control_timestep(self) -> float:
        """The seconds for which MinAtar shows a step."""
        return _STEP_S

    def render(self) -> npt.NDArray[np.uint8]:
        """A picture, uint8 [240, 240, 3], in MinAtar's colours: the last channel is on top."""
        from matplotlib import colormaps

        board = self._game.state()
        channels = board.shape[-1]
        shades = colormaps["cubehelix"](np.linspace(0.0, 1.0, channels + 2)[1:-1])[:, :3]
        colours = np.concatenate([np.zeros((1, 3)), shades])
        on_top = np.max(board * np.arange(1, channels + 1), axis=-1)
        squares: npt.NDArray[np.uint8] = np.rint(255.0 * colours[on_top]).astype(np.uint8)
        return squares.repeat(_SQUARE, axis=0).repeat(_SQUARE, axis=1)

    def _observe(self) -> npt.NDArray[Any]:
        board: npt.NDArray[np.bool_] = self._game.state()
        return board.ravel() if self._flat else board.view(np.uint8)


def names() -> list[str]:
    """Lists the games, none if MinAtar is not installed."""
    return [] if _folder() is None else list(_GAMES)


def check(name: str) -> None:
    """Checks that there is a game of this name.

    Raises:
        UnknownEnvironmentError: there is none.
        InvalidEnvironmentError: MinAtar is not installed.
    """
    require_known("minatar", name, _GAMES, f"The games are {', '.join(_GAMES)}.")
    if _folder() is None:
        raise InvalidEnvironmentError(
            f"minatar:{name} needs the package MinAtar, which is not installed: pip install minatar"
        )


def load(
    name: str,
    seed: int,
    *,
    rendered: bool = False,
    arguments: Mapping[str, Any] | None = None,
) -> dm_env.Environment:
    """Makes the game of this name; raises what `check` does.

    Args:
        name: the game's name.
        seed: of all that is random.
        rendered: whether it will be rendered, which it need not know.
        arguments: keyword arguments of `MinAtarEnvironment`.
    """
    del rendered
    check(name)
    return MinAtarEnvironment(name, seed, **(arguments or {}))


def _folder() -> Path | None:
    """The folder of MinAtar's games; None if it is not installed."""
    package = importlib.util.find_spec("minatar")
    if package is None or not package.submodule_search_locations:
        return None
    return Path(package.submodule_search_locations[0], "environments")


@functools.cache
def game_class(game: str) -> Any:
    """MinAtar's own class of a game, loaded by its path, as importing its package imports plots."""
    folder = _folder()
    assert folder is not None
    spec = importlib.util.spec_from_file_location(f"quinoa_minatar_{game}", folder / f"{game}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Env
