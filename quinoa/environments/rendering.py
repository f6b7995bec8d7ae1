"""Renders pictures of environments for people; agents never see them.

An environment is rendered by the first of these that it has:

* a method `render()` that returns a picture, uint8 `[H, W, 3]`, as Gymnasium's environments have
  it, and users' environments may;
* `physics`, as dm_control's environments have it.
"""

from __future__ import annotations

import math
import numbers
from typing import Any

import dm_env
import numpy as np
import numpy.typing as npt

from quinoa.environments.canonical import CanonicalEnvironment
from quinoa.environments.errors import NotRenderableError
from quinoa.environments.user_code import described

Picture = npt.NDArray[np.uint8]

# Width by height of the pictures that dm_control renders.
_ASPECT = 4 / 3


def needs_mujoco_renderer(environment: dm_env.Environment) -> bool:
    """Whether MuJoCo renders an environment, which needs OpenGL."""
    inner = _inner(environment)
    if hasattr(inner, "render"):
        return bool(getattr(inner, "needs_mujoco_renderer", False))
    return hasattr(inner, "physics")


def check(environment: dm_env.Environment, name: str) -> None:
    """Raises `NotRenderableError`, with this name, if an environment cannot be rendered."""
    inner = _inner(environment)
    if not (hasattr(inner, "render") or hasattr(inner, "physics")):
        raise NotRenderableError(
            f"{name} has no pictures: give it a method render() that returns one, uint8 [H, W, 3]."
        )


def render(environment: dm_env.Environment, height: int, max_width: int | None = None) -> Picture:
    """Renders an environment's present state.

    Args:
        environment: an environment that `check` accepts and that has been reset.
        height: the picture's height in pixels; its width follows from the environment.
        max_width: its greatest width; a picture that would be wider gets a smaller height.

    Returns:
        The picture, uint8 `[H, W, 3]`.

    Raises:
        NotRenderableError: rendering failed, or `render()` did not return a picture.
    """
    inner = _inner(environment)
    if not hasattr(inner, "render"):
        return _resized(_render_physics(inner.physics, height), height, max_width)
    try:
        picture = np.asarray(inner.render())
    except (NotRenderableError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise NotRenderableError(
            f"{type(inner).__name__}.render() failed: {described(error)}"
        ) from error
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise NotRenderableError(
            f"{type(inner).__name__}.render() returned {picture.dtype} {list(picture.shape)}, not "
            "a picture, uint8 [H, W, 3]."
        )
    return _resized(picture, height, max_width)


def step_seconds(environment: dm_env.Environment) -> float | None:
    """The simulated seconds that one action lasts; None if the environment does not give them.

    An environment gives them by a method `control_timestep()`, as dm_control's do.
    """
    given = getattr(_inner(environment), "control_timestep", None)
    seconds = positive_seconds(given() if callable(given) else given)
    repeat = environment.action_repeat if isinstance(environment, CanonicalEnvironment) else 1
    return None if seconds is None else seconds * repeat


def positive_seconds(value: object) -> float | None:
    """A time step in seconds; None if the value is not a positive, finite number."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return None
    number = float(value)
    return number if 0.0 < number < math.inf else None


def _inner(environment: dm_env.Environment) -> Any:
    while isinstance(environment, CanonicalEnvironment):
        environment = environment.inner
    return environment


def _render_physics(physics: Any, height: int) -> Picture:
    width = round(height * _ASPECT)
    screen = physics.model.vis.global_
    # MuJoCo reads these when it renders its first picture.
    screen.offheight = max(screen.offheight, height)
    screen.offwidth = max(screen.offwidth, width)
    # The first camera of dm_control's models follows the body; -1 is MuJoCo's free camera.
    camera = 0 if physics.model.ncam else -1
    picture: Picture = physics.render(height=height, width=width, camera_id=camera)
    return picture


def _resized(picture: Picture, height: int, max_width: int | None) -> Picture:
    scale = height / len(picture)
    if max_width is not None:
        scale = min(scale, max_width / picture.shape[1])
    if scale == 1.0:
        return picture
    from PIL import Image

    size = (max(round(picture.shape[1] * scale), 1), max(round(len(picture) * scale), 1))
    image = Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)
    return np.asarray(image)
