"""Pictures of environments, for people: agents never see them.

An environment is drawn by the first of these that it has:

* a method `render()` that returns a picture, uint8 `[H, W, 3]`: Gymnasium's, and what an
  environment of the user's own may have;
* `physics`, as dm_control's environments have it.
"""

from __future__ import annotations

from typing import Any

import dm_env
import numpy as np
import numpy.typing as npt

from quinoa.environments import timestep
from quinoa.environments.canonical import CanonicalEnvironment
from quinoa.environments.errors import NotRenderableError
from quinoa.environments.user_code import described

Picture = npt.NDArray[np.uint8]

# Of a picture that dm_control draws.
_ASPECT = 4 / 3


def needs_mujoco_renderer(environment: dm_env.Environment) -> bool:
    """Whether it is MuJoCo that draws it, which needs OpenGL."""
    inner = _inner(environment)
    if hasattr(inner, "render"):
        return bool(getattr(inner, "needs_mujoco_renderer", False))
    return hasattr(inner, "physics")


def check(environment: dm_env.Environment, name: str) -> None:
    """Raises `NotRenderableError`, with this name, for an environment that has no pictures."""
    inner = _inner(environment)
    if not (hasattr(inner, "render") or hasattr(inner, "physics")):
        raise NotRenderableError(
            f"{name} has no pictures: give it a method render() that returns one, uint8 [H, W, 3]."
        )


def render(environment: dm_env.Environment, height: int, max_width: int | None = None) -> Picture:
    """Draws an environment as it is now.

    Args:
        environment: one that `check` has passed, and that has been reset.
        height: of the picture, in pixels; the width follows from the environment.
        max_width: of the picture; one that would be wider is drawn with a smaller height.

    Returns:
        The picture, uint8 `[H, W, 3]`, where H is `height` but for `max_width`.

    Raises:
        NotRenderableError: it fails to draw, or what `render()` returned is no picture.
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
    """Seconds that one action lasts in the simulation; None where the environment does not say.

    An environment says so by a method `control_timestep()`, as dm_control's do.
    """
    said = getattr(_inner(environment), "control_timestep", None)
    seconds = timestep.seconds(said() if callable(said) else said)
    repeat = environment.action_repeat if isinstance(environment, CanonicalEnvironment) else 1
    return None if seconds is None else seconds * repeat


def _inner(environment: dm_env.Environment) -> Any:
    while isinstance(environment, CanonicalEnvironment):
        environment = environment.inner
    return environment


def _render_physics(physics: Any, height: int) -> Picture:
    width = round(height * _ASPECT)
    screen = physics.model.vis.global_
    # Read when the first picture is drawn.
    screen.offheight = max(screen.offheight, height)
    screen.offwidth = max(screen.offwidth, width)
    # The models' first camera follows what moves; where there is none, MuJoCo's free one.
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
