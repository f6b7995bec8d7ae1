"""Gymnasium's environments: `gym:<id>`."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dm_env
from dm_env import specs

from quinoa import user_modules
from quinoa.environments import mujoco_log, timestep
from quinoa.environments.errors import (
    InvalidEnvironmentError,
    NotRenderableError,
    UnknownEnvironmentError,
)

# How Gymnasium registers an id of its own that a class makes, in its source.
_REGISTERED = re.compile(r'register\(\s*id="([^"]+)",\s*entry_point="([^"]+)"')

# Registered MuJoCo ids that today's MuJoCo cannot run, and why.
UNSUPPORTED: dict[str, str] = {"Pusher-v4": "Gymnasium runs it on MuJoCo below 3 only"}


class GymnasiumEnvironment(dm_env.Environment):
    """A Gymnasium environment as a `dm_env.Environment`.

    Termination is a `LAST` step with discount 0; truncation alone is a `LAST` step with discount
    1. Observations are arrays, or mappings and tuples of arrays; a discrete space becomes the
    one-hot vector that Gymnasium's own flattening gives.
    """

    def __init__(self, environment: Any, seed: int, name: str) -> None:
        """Wraps a `gymnasium.Env`.

        Args:
            environment: the environment. It is owned from here on: `close` closes it.
            seed: seeds its first reset; the later ones go on from there.
            name: what errors call it.

        Raises:
            InvalidEnvironmentError: its spaces are not supported.
        """
        from gymnasium import spaces

        self._environment = environment
        self._seed: int | None = seed
        self._needs_reset = True
        action_space = environment.action_space
        if not isinstance(action_space, spaces.Box):
            raise InvalidEnvironmentError(
                f"{name}: its action space must be a Box, not {action_space}."
            )
        self._action_spec = specs.BoundedArray(
            action_space.shape,
            action_space.dtype,
            minimum=action_space.low,
            maximum=action_space.high,
            name="action",
        )
        self._space = environment.observation_space
        self._observation_spec = _observation_spec(self._space, name)
        self._is_box = isinstance(self._space, spaces.Box)
        self._categories = dict(_categories(self._space, ()))

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
        observation, reward, terminated, truncated, _ = self._environment.step(action)
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
        """The action space's shape, dtype and bounds."""
        return self._action_spec

    def close(self) -> None:
        """Closes the environment."""
        self._environment.close()

    @property
    def categories(self) -> Mapping[tuple[Any, ...], tuple[tuple[int, ...], tuple[int, ...]]]:
        """Of each part of the observation that is made one-hot: see `layout.Part`.

        Returns:
            By its path, how many values each of its integers can have, and the least of each.
        """
        return self._categories

    @property
    def needs_mujoco_renderer(self) -> bool:
        """Whether it is MuJoCo that draws it."""
        return hasattr(self._environment.unwrapped, "mujoco_renderer")

    def control_timestep(self) -> float | None:
        """Seconds that one step simulates, if the environment says."""
        own = timestep.seconds(getattr(self._environment.unwrapped, "dt", None))
        if own is not None:
            return own
        frames_per_second = timestep.seconds(self._environment.metadata.get("render_fps"))
        return None if frames_per_second is None else timestep.seconds(1.0 / frames_per_second)

    def render(self) -> Any:
        """A picture, uint8 `[H, W, 3]`; for an environment that was loaded to be rendered.

        Raises:
            NotRenderableError: it draws none, or what draws it is not installed.
        """
        import gymnasium

        try:
            return self._environment.render()
        except gymnasium.error.DependencyNotInstalled as error:
            raise NotRenderableError(str(error)) from error

    def _convert(self, observation: Any) -> Any:
        return observation if self._is_box else _convert(self._space, observation)


def is_gymnasium(environment: Any) -> bool:
    """Whether it is a `gymnasium.Env`; imports nothing that nobody has imported."""
    gymnasium = sys.modules.get("gymnasium")
    return gymnasium is not None and isinstance(environment, gymnasium.Env)


def registered(id_: str) -> Any:
    """What this process knows of an id of Gymnasium's; None where it is not registered."""
    gymnasium = sys.modules.get("gymnasium")
    return None if gymnasium is None else gymnasium.registry.get(id_)


def is_registered_everywhere(spec: Any) -> bool:
    """Whether an id is registered wherever Gymnasium is imported: it is one of its own."""
    return str(spec.entry_point).startswith("gymnasium.envs.")


def names() -> list[str]:
    """The ids of Gymnasium's MuJoCo environments that run on today's MuJoCo, sorted."""
    return sorted(
        id_
        for id_, entry_point in own_ids().items()
        if entry_point.startswith("gymnasium.envs.mujoco.") and id_ not in UNSUPPORTED
    )


@functools.lru_cache(maxsize=1)
def own_ids() -> Mapping[str, str]:
    """The ids that Gymnasium registers itself, and what makes each, without importing it.

    Those that it has only to say that they are no more, as the MuJoCo tasks of version 2 and 3, are
    not among them.
    """
    package = importlib.util.find_spec("gymnasium")
    if package is None or not package.submodule_search_locations:
        return {}
    path = Path(package.submodule_search_locations[0], "envs", "__init__.py")
    return dict(_REGISTERED.findall(path.read_text(encoding="utf-8")))


def check(id_: str) -> None:
    """Checks that an environment has this id, as far as can be known before its module is imported.

    Gymnasium is imported where the id is not one of its own, as other packages may register some.

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
        seed: of its first reset.
        rendered: whether `render` is to draw it.
        arguments: for what makes it.

    Raises:
        NotRenderableError: it is to be rendered, and has no pictures.
        UnknownEnvironmentError: no environment is registered under exactly this id.
        InvalidEnvironmentError: it needs a package that is not installed, or its spaces are not
            supported.
    """
    gymnasium = _gymnasium()
    name = f"gym:{id_}"
    if ":" in id_:
        # The module registers its environments as it is imported.
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
        id_: the id, which exists.
        name: what errors call it.
        module: registers it as it is imported.
        rendered: whether its `render` is to give pictures.
        arguments: for what makes it.

    Raises:
        NotRenderableError: it is to be rendered, and has no pictures.
        InvalidEnvironmentError: it needs a package that is not installed.
    """
    gymnasium = _gymnasium()
    try:
        if module is not None:
            importlib.import_module(module)
        # Given a spec rather than an id, Gymnasium does not announce that a newer version exists.
        spec = dataclasses.replace(gymnasium.registry[id_])
        # Its checker's checks are ours, and its warnings for someone who writes the environment.
        return gymnasium.make(
            spec, disable_env_checker=True, **{**(arguments or {}), **_to_draw(spec, rendered)}
        )
    except (ImportError, gymnasium.error.DependencyNotInstalled) as error:
        raise InvalidEnvironmentError(f"{name} cannot be made here: {error}") from error


def _to_draw(spec: Any, rendered: bool) -> dict[str, str]:
    """What an environment that is to be rendered is made with."""
    if not rendered:
        return {}
    from gymnasium.envs.registration import load_env_creator

    creator = spec.entry_point
    if isinstance(creator, str):
        creator = load_env_creator(creator)
    # A function that makes the environment does not say.
    modes = getattr(creator, "metadata", {}).get("render_modes", ["rgb_array"])
    if "rgb_array" not in modes:
        raise NotRenderableError(f"gym:{spec.id} has no pictures: its render_modes lack rgb_array.")
    if not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        # What pygame draws is read back and never shown; looking for a screen, it complains.
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    # It opens a sound card with it, of which machines without one have much to say.
    os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
    return {"render_mode": "rgb_array"}


def _gymnasium() -> Any:
    os.environ.setdefault("MUJOCO_GL", "disable")
    import gymnasium

    mujoco_log.install()
    return gymnasium


def _observation_spec(space: Any, name: str) -> Any:
    from gymnasium import spaces

    if isinstance(space, spaces.Box):
        return specs.Array(space.shape, space.dtype)
    if isinstance(space, spaces.Dict):
        return {key: _observation_spec(part, name) for key, part in space.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(_observation_spec(part, name) for part in space)
    if isinstance(space, (spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)):
        flat = spaces.flatten_space(space)
        return specs.Array(flat.shape, flat.dtype)
    raise InvalidEnvironmentError(
        f"{name}: observations from the space {space} cannot be made one vector."
    )


def _categories(space: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    from gymnasium import spaces

    if isinstance(space, spaces.Dict):
        for key, part in space.items():
            yield from _categories(part, (*path, key))
    elif isinstance(space, spaces.Tuple):
        for index, part in enumerate(space):
            yield from _categories(part, (*path, index))
    elif isinstance(space, spaces.Discrete):
        yield path, ((int(space.n),), (int(space.start),))
    elif isinstance(space, spaces.MultiDiscrete):
        sizes = tuple(map(int, space.nvec.ravel()))
        yield path, (sizes, tuple(map(int, space.start.ravel())))


def _convert(space: Any, value: Any) -> Any:
    from gymnasium import spaces

    if isinstance(space, spaces.Box):
        return value
    if isinstance(space, spaces.Dict):
        return {key: _convert(part, value[key]) for key, part in space.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(_convert(part, item) for part, item in zip(space, value, strict=True))
    return spaces.flatten(space, value)
