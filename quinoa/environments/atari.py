"""Atari 2600 games by the Arcade Learning Environment, `atari:<game>`, as images of stacked frames.

Bellemare et al. (2013), "The Arcade Learning Environment"; Machado et al. (2018), "Revisiting the
Arcade Learning Environment", whose protocol the defaults are. The emulator, which is under the GPL
and has the games with it, and OpenCV, which Gymnasium's wrapper scales frames with, are not
installed with Quinoa: they are its extra `atari`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dm_env

from quinoa.environments import gymnasium_env
from quinoa.environments.errors import InvalidEnvironmentError, require_known

# The modules of ale-py and opencv-python-headless.
_MODULES = ("ale_py", "cv2")
# Frames a second of the console.
_FRAMES_PER_S = 60.0


class AtariEnvironment(gymnasium_env.GymnasiumEnvironment):
    """A game whose observations are the last frames in grey, uint8 `[size, size, frames]`.

    What happens to the screen is Gymnasium's: of each step's last two frames the brighter pixels,
    in grey, scaled (`AtariPreprocessing`), and stacked, the newest one last
    (`FrameStackObservation`). At an episode's start the first frame is there several times.
    """

    def __init__(
        self,
        game: str,
        seed: int,
        *,
        rendered: bool = False,
        frame_skip: int = 4,
        sticky_action_prob: float = 0.25,
        num_frames: int = 4,
        size: int = 84,
        terminal_on_life_loss: bool = False,
        clip_rewards: bool = False,
        noop_max: int = 0,
        full_action_set: bool = False,
        max_frames: int = 108_000,
    ) -> None:
        """Makes a game.

        Args:
            game: its name.
            seed: of all that is random.
            rendered: whether `render` will be called.
            frame_skip: the frames of the console that one action lasts.
            sticky_action_prob: the probability that a frame repeats the last action in place of the
                one that is given.
            num_frames: the frames in an observation.
            size: the height and width of one.
            terminal_on_life_loss: whether an episode ends with a life. Machado et al. advise
                against it.
            clip_rewards: whether rewards are clipped to [-1, 1], those of evaluations too.
            noop_max: an episode begins with a random number of actions without effect, from 1 to
                this; with 0 there are none. Sticky actions make episodes differ without them.
            full_action_set: whether there are 18 actions in every game, or those that have an
                effect in this one.
            max_frames: after how many frames of the console an episode is truncated: 30 minutes.

        Raises:
            ValueError: `sticky_action_prob` is no probability, or a number is too small.
        """
        if not 0.0 <= sticky_action_prob <= 1.0:
            raise ValueError(f"sticky_action_prob must be from 0 to 1, not {sticky_action_prob}.")
        for setting, number, least in (
            ("frame_skip", frame_skip, 1),
            ("num_frames", num_frames, 1),
            ("size", size, 1),
            ("noop_max", noop_max, 0),
            ("max_frames", max_frames, 1),
        ):
            if number < least:
                raise ValueError(f"{setting} must be at least {least}, not {number}.")
        import ale_py
        import cv2
        from ale_py.env import AtariEnv
        from gymnasium import wrappers

        # Frames are so small that threads cost more than they help.
        cv2.setNumThreads(1)
        # Without this, each game prints the emulator's version.
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        environment: Any = AtariEnv(
            game,
            # What is returned between the frames that count is not used; this costs least.
            obs_type="grayscale",
            frameskip=1,
            repeat_action_probability=sticky_action_prob,
            full_action_space=full_action_set,
            max_num_frames_per_episode=max_frames,
            render_mode="rgb_array" if rendered else None,
        )
        environment = wrappers.AtariPreprocessing(
            environment,
            noop_max=noop_max,
            frame_skip=frame_skip,
            screen_size=size,
            terminal_on_life_loss=terminal_on_life_loss,
        )
        if clip_rewards:
            environment = wrappers.ClipReward(environment, -1.0, 1.0)
        environment = wrappers.FrameStackObservation(environment, num_frames)
        self._frame_skip = frame_skip
        super().__init__(environment, seed, f"atari:{game}")

    def control_timestep(self) -> float:
        """The seconds that a step lasts on the console."""
        return self._frame_skip / _FRAMES_PER_S


def names() -> list[str]:
    """Lists the games, none if the emulator is not installed."""
    folder = _folder()
    return [] if folder is None else sorted(path.stem for path in folder.glob("*.bin"))


def check(name: str) -> None:
    """Checks that there is a game of this name.

    Raises:
        UnknownEnvironmentError: there is none.
        InvalidEnvironmentError: the emulator or OpenCV is not installed.
    """
    if any(importlib.util.find_spec(module) is None for module in _MODULES):
        raise InvalidEnvironmentError(
            f"atari:{name} needs the packages ale-py and opencv-python-headless, which are not "
            "both installed: pip install 'path/to/quinoa[atari]'"
        )
    require_known(
        "atari",
        name,
        names(),
        "quinoa list has the games; they are named like atari:space_invaders.",
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
        rendered: whether it will be rendered.
        arguments: keyword arguments of `AtariEnvironment`.
    """
    check(name)
    gymnasium_env.prepare()
    return AtariEnvironment(name, seed, rendered=rendered, **(arguments or {}))


def _folder() -> Path | None:
    """The folder of the games; None if the emulator is not installed."""
    package = importlib.util.find_spec("ale_py")
    if package is None or not package.submodule_search_locations:
        return None
    return Path(package.submodule_search_locations[0], "roms")
