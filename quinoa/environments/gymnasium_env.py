"""Gymnasium's environments, named `gym:<id>`."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dm_env
from dm_env import specs

from quinoa import user_modules
from quinoa.environments import gymnasium_spaces, mujoco_log
from quinoa.environments.errors import (
    InvalidEnvironmentError,
    NotRenderableError,
    UnknownEnvironmentError,
)
from quinoa.environments.rendering import positive_seconds

# How Gymnasium's source registers one of its own ids that a class makes.
_REGISTERED = re.compile(r'register\(\s*id="([^"]+)",\s*entry_point="([^"]+)"')

# Registered MuJoCo ids that the installed MuJoCo cannot run, with the reasons.
UNSUPPORTED: dict[str, str] = {"Pusher-v4": "Gymnasium runs it on MuJoCo below 3 only"}


class GymnasiumEnvironment(dm_env.Environment):
    """A Gymnasium environment as a `dm_env.Environment`.

    Termination is a `LAST` step with discount 0; truncation alone is a `LAST` step with discount
    1. Actions are a box, one integer, or an array of them. Observations are arrays, or mappings and
    tuples of arrays; a discrete space becomes the one-hot vector that Gymnasium's own flattening
    gives. Images that `FrameStackObservation` has stacked have the frames as channels, which come
    last.
    """

    def __init__(self, environment: Any, seed: int, name: str) -> None:
        """Wraps a `gymnasium.Env`.

        Args:
            environment: the environment, which `close` closes.
            seed: the seed of its first reset; later resets continue its random numbers.
            name: its name in error messages.

        Raises:
            InvalidEnvironmentError: its spaces are not supported.
        """
        from gymnasium import spaces

        self._environment = environment
        self._seed: int | None = seed
        self._needs_reset = True
        self._action_spec = gymnasium_spaces.action_spec(environment.action_space, name)
        # Chosen here, so that a box's steps do not ask each time.
        is_discrete = isinstance(environment.action_space, spaces.Discrete)
        self._apply = self._apply_integer if is_discrete else environment.step
        self._observation_spec, self._convert = gymnasium_spaces.observations(environment, name)
        self._own_forms = gymnasium_spaces.own_forms(environment)

    def reset(self) -> dm_env.TimeStep:
        """Starts an episode."""
        observation, _ = self._environment.reset(seed=self._seed)
        self._seed = None
        self._needs_reset = False
        return dm_env.restart(self._convert(observation))

    def step(self, action: Any) -> dm_env.TimeStep:
        """Applies an action, or starts an episode if none is running."""
        if self._needs_reset:
            return self.reset()
        observation, reward, terminated, truncated, _ = self._apply(action)
        self._needs_reset = bool(terminated or truncated)
        return dm_env.TimeStep(
            dm_env.StepType.LAST if self._needs_reset else dm_env.StepType.MID,
            reward,
            0.0 if terminated else 1.0,
            self._convert(observation),
        )

    def observation_spec(self) -> Any:
        """As nested as the observation space."""
        return self._observation_spec

    def action_spec(self) -> specs.BoundedArray:
        """Of a box, its shape, dtype and bounds; of a discrete space, those of its integers."""
        return self._action_spec

    def close(self) -> None:
        """Closes the environment."""
        self._environment.close()

    @property
    def own_forms(self) -> Mapping[tuple[Any, ...], gymnasium_spaces.OwnForm]:
        """The parts of the observation that have another form here, by their paths."""
        return self._own_forms

    @property
    def gymnasium_environment(self) -> Any:
        """The `gymnasium.Env` that this one wraps."""
        return self._environment

    @property
    def needs_mujoco_renderer(self) -> bool:
        """Whether MuJoCo renders it."""
        return hasattr(self._environment.unwrapped, "mujoco_renderer")

    def control_timestep(self) -> float | None:
        """The simulated seconds of one step, if the environment gives them."""
        own = positive_seconds(getattr(self._environment.unwrapped, "dt", None))
        if own is not None:
            return own
        frames_per_second = positive_seconds(self._environment.metadata.get("render_fps"))
        return None if frames_per_second is None else positive_seconds(1.0 / frames_per_second)

    def render(self) -> Any:
        """Renders a picture, uint8 `[H, W, 3]`; the environment must have been made for it.

        Raises:
            NotRenderableError: the package that renders it is not installed.
        """
        import gymnasium

        try:
            return self._environment.render()
        except gymnasium.error.DependencyNotInstalled as error:
            raise NotRenderableError(str(error)) from error

    def _apply_integer(self, action: Any) -> Any:
        # Environments look actions up in dictionaries, where an array is no key.
        return self._environment.step(int(action))


def is_gymnasium(environment: Any) -> bool:
    """Whether an object is a `gymnasium.Env`; does not import Gymnasium."""
    gymnasium = sys.modules.get("gymnasium")
    return gymnasium is not None and isinstance(environment, gymnasium.Env)


def registered(id_: str) -> Any:
    """Gymnasium's spec of an id in this process, or None; does not import Gymnasium."""
    gymnasium = sys.modules.get("gymnasium")
    return None if gymnasium is None else gymnasium.registry.get(id_)


def is_registered_everywhere(spec: Any) -> bool:
    """Whether an id is Gymnasium's own, and so registered in every process that imports it."""
    return str(spec.entry_point).startswith("gymnasium.envs.")


def names() -> list[str]:
    """The ids of Gymnasium's MuJoCo environments that run on the installed MuJoCo, sorted."""
    return sorted(
        id_
        for id_, entry_point in own_ids().items()
        if entry_point.startswith("gymnasium.envs.mujoco.") and id_ not in UNSUPPORTED
    )


@functools.lru_cache(maxsize=1)
def own_ids() -> Mapping[str, str]:
    """The ids that Gymnasium registers itself and their entry points, read without importing it.

    Ids that it registers only to raise that they were removed, such as the MuJoCo tasks of versions
    2 and 3, are left out.
    """
    package = importlib.util.find_spec("gymnasium")
    if package is None or not package.submodule_search_locations:
        return {}
    path = Path(package.submodule_search_locations[0], "envs", "__init__.py")
    return dict(_REGISTERED.findall(path.read_text(encoding="utf-8")))


def time_limit(id_: str) -> int | None:
    """The steps after which Gymnasium truncates episodes of a registered id, or None."""
    limit: int | None = _gymnasium().registry[id_].max_episode_steps
    return limit


def check(id_: str) -> None:
    """Checks that an environment may have this id, without importing a module that it names.

    Gymnasium is imported if the id is not its own, as other packages may have registered it.

    Raises:
        UnknownEnvironmentError: no environment is registered under exactly this id.
    """
    if ":" in id_ or id_ in own_ids():
        return
    registry = _gymnasium().registry
    if id_ not in registry:
        raise UnknownEnvironmentError.suggesting(
            f"gym:{id_}",
            [f"gym:{known}" for known in registry],
            "Gymnasium has no environment registered under this id.",
        )


def load(
    id_: str,
    seed: int,
    *,
    rendered: bool = False,
    arguments: Mapping[str, Any] | None = None,
) -> dm_env.Environment:
    """Makes the environment with this id, which may be `<module>:<id>` as in Gymnasium.

    Args:
        id_: the id.
        seed: the seed of its first reset.
        rendered: whether `render` will be called.
        arguments: keyword arguments of its constructor.

    Raises:
        NotRenderableError: it is to be rendered, and cannot be.
        UnknownEnvironmentError: no environment is registered under exactly this id.
        InvalidEnvironmentError: it needs a package that is not installed, or its spaces are not
            supported.
    """
    gymnasium = _gymnasium()
    name = f"gym:{id_}"
    if ":" in id_:
        # The module registers its environments when it is imported.
        module, id_ = id_.rsplit(":", 1)
        try:
            user_modules.load(module)
        except ImportError as error:
            raise UnknownEnvironmentError(
                f"{name}: cannot import the module {module}: {error}."
            ) from error
    if id_ not in gymnasium.registry:
        raise UnknownEnvironmentError.suggesting(
            name,
            [f"gym:{known}" for known in gymnasium.registry],
            "Gymnasium has no environment registered under this id.",
        )
    environment = make(id_, name, rendered=rendered, arguments=arguments)
    return GymnasiumEnvironment(environment, seed, name)


def make(
    id_: str,
    name: str,
    *,
    module: str | None = None,
    rendered: bool = False,
    arguments: Mapping[str, Any] | None = None,
) -> Any:
    """Makes the `gymnasium.Env` that is registered under an id.

    Args:
        id_: a registered id.
        name: its name in error messages.
        module: a module to import first, which registers the id.
        rendered: whether `render` will be called.
        arguments: keyword arguments of its constructor.

    Raises:
        NotRenderableError: it is to be rendered, and cannot be.
        InvalidEnvironmentError: it needs a package that is not installed.
    """
    gymnasium = _gymnasium()
    try:
        if module is not None:
            importlib.import_module(module)
        # With a spec instead of an id, Gymnasium does not warn that a newer version exists.
        spec = dataclasses.replace(gymnasium.registry[id_])
        # Its environment checker repeats our checks, and warns about matters of the environment's
        # author.
        return gymnasium.make(
            spec,
            disable_env_checker=True,
            **{**(arguments or {}), **_render_arguments(spec, rendered)},
        )
    except (ImportError, gymnasium.error.DependencyNotInstalled) as error:
        raise InvalidEnvironmentError(f"{name} cannot be made here: {error}") from error


def _render_arguments(spec: Any, rendered: bool) -> dict[str, str]:
    """The constructor's arguments for an environment that is to be rendered."""
    if not rendered:
        return {}
    from gymnasium.envs.registration import load_env_creator

    creator = spec.entry_point
    if isinstance(creator, str):
        creator = load_env_creator(creator)
    # A function that makes the environment has no metadata.
    modes = getattr(creator, "metadata", {}).get("render_modes", ["rgb_array"])
    if "rgb_array" not in modes:
        raise NotRenderableError(f"gym:{spec.id} has no pictures: its render_modes lack rgb_array.")
    if not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        # pygame's pictures are never shown on a screen, and it would fail to find one.
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    # pygame also opens a sound card, which logs errors on machines without one.
    os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
    return {"render_mode": "rgb_array"}


def prepare() -> None:
    """Imports Gymnasium so that neither MuJoCo's nor a wrapper's messages reach the terminal."""
    _gymnasium()


def _gymnasium() -> Any:
    os.environ.setdefault("MUJOCO_GL", "disable")
    import farama_notifications
    import gymnasium

    # gymnasium-robotics prints its own when it is imported, whichever task is asked for: it is
    # about rewards of Adroit's tasks, whose sign `adroit:` corrects.
    farama_notifications.notifications.pop("gymnasium_robotics", None)
    mujoco_log.install()
    return gymnasium
