"""Spaces of Gymnasium as dm_env specs, and observations as arrays."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from dm_env import specs

from quinoa.environments.errors import InvalidEnvironmentError


class OwnForm(NamedTuple):
    """What a part of an observation is before it becomes numbers; see `layout.Part`.

    Attributes:
        categories: the number of values of each of its integers.
        starts: the least of each.
        own_shape: the shape of its array.
    """

    categories: tuple[int, ...]
    starts: tuple[int, ...]
    own_shape: tuple[int, ...]


def action_spec(space: Any, name: str) -> specs.BoundedArray:
    """The dm_env spec of an action space.

    Args:
        space: the action space.
        name: the environment's name in error messages.

    Returns:
        A box's spec, with its shape, dtype and bounds; that of one integer, for `Discrete`; or that
        of an array of integers, for `MultiDiscrete` and `MultiBinary`.

    Raises:
        InvalidEnvironmentError: the space is not supported.
    """
    from gymnasium import spaces

    if isinstance(space, spaces.Box):
        return specs.BoundedArray(space.shape, space.dtype, space.low, space.high, name="action")
    if isinstance(space, spaces.Discrete):
        number, first = int(space.n), int(space.start)
        if first == 0:
            return specs.DiscreteArray(number, space.dtype, name="action")
        return specs.BoundedArray((), space.dtype, first, first + number - 1, name="action")
    if isinstance(space, spaces.MultiDiscrete):
        last = space.start + space.nvec - 1
        return specs.BoundedArray(space.shape, space.dtype, space.start, last, name="action")
    if isinstance(space, spaces.MultiBinary):
        return specs.BoundedArray(space.shape, space.dtype, 0, 1, name="action")
    raise InvalidEnvironmentError(
        f"{name}: its action space must be a Box, Discrete, MultiDiscrete or MultiBinary, not "
        f"{space}."
    )


def observations(environment: Any, name: str) -> tuple[Any, Callable[[Any], Any]]:
    """The dm_env spec of an environment's observations, and what brings one into this form.

    Args:
        environment: a `gymnasium.Env`.
        name: its name in error messages.

    Returns:
        The spec, as nested as the space; and a function from observations to their form.

    Raises:
        InvalidEnvironmentError: the space is not supported.
    """
    from gymnasium import spaces

    space = environment.observation_space
    spec = observation_spec(space, name)
    if not isinstance(space, spaces.Box):
        return spec, functools.partial(convert, space)
    if not _stacks_images(environment):
        return spec, lambda observation: observation
    # Gymnasium has frames first, [F, H, W] or [F, H, W, C], and images have channels last.
    number, height, width, *colours = space.shape
    shape = (height, width, number * math.prod(colours))
    return (
        specs.BoundedArray(shape, np.uint8, space.low.min(), space.high.max()),
        lambda observation: frames_last(observation[np.newaxis])[0],
    )


def _stacks_images(environment: Any) -> bool:
    """Whether observations are images, uint8, that Gymnasium's wrapper has stacked."""
    import gymnasium

    space = environment.observation_space
    if space.dtype != np.uint8 or len(space.shape) not in (3, 4):
        return False
    while isinstance(environment, gymnasium.Wrapper):
        if isinstance(environment, gymnasium.wrappers.FrameStackObservation):
            # Other wrappers may have made something else of it.
            return bool(environment.observation_space.shape == space.shape)
        environment = environment.env
    return False


def observation_spec(space: Any, name: str) -> Any:
    """The dm_env spec of a space, as nested as the space.

    Args:
        space: the observation space. Discrete parts become one-hot vectors.
        name: the environment's name in error messages.

    Raises:
        InvalidEnvironmentError: the space is not supported.
    """
    from gymnasium import spaces

    if isinstance(space, spaces.Box):
        if space.dtype == np.uint8 and len(space.shape) > 1:
            # The greatest value of a pixel is what an image is scaled by.
            return specs.BoundedArray(space.shape, space.dtype, space.low, space.high)
        return specs.Array(space.shape, space.dtype)
    if isinstance(space, spaces.Dict):
        return {key: observation_spec(part, name) for key, part in space.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(observation_spec(part, name) for part in space)
    if isinstance(space, (spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)):
        flat = spaces.flatten_space(space)
        return specs.Array(flat.shape, flat.dtype)
    raise InvalidEnvironmentError(
        f"{name}: observations from the space {space} cannot be made one vector."
    )


def own_forms(environment: Any) -> dict[tuple[Any, ...], OwnForm]:
    """The parts of an environment's observations that `observations` changes, by their paths."""
    space = environment.observation_space
    if _stacks_images(environment):
        return {(): OwnForm((), (), space.shape)}
    return dict(_of_integers(space))


def _of_integers(
    space: Any, path: tuple[Any, ...] = ()
) -> Iterator[tuple[tuple[Any, ...], OwnForm]]:
    from gymnasium import spaces

    if isinstance(space, spaces.Dict):
        for key, part in space.items():
            yield from _of_integers(part, (*path, key))
    elif isinstance(space, spaces.Tuple):
        for index, part in enumerate(space):
            yield from _of_integers(part, (*path, index))
    elif isinstance(space, spaces.Discrete):
        yield path, OwnForm((int(space.n),), (int(space.start),), ())
    elif isinstance(space, spaces.MultiDiscrete):
        sizes = tuple(map(int, space.nvec.ravel()))
        yield path, OwnForm(sizes, tuple(map(int, space.start.ravel())), space.shape)
    elif isinstance(space, spaces.MultiBinary):
        yield path, OwnForm((), (), space.shape)


def frames_last(images: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Stacked frames as channels: [B, F, H, W] or [B, F, H, W, C] as [B, H, W, F · C]."""
    order = (0, 2, 3, 1, 4)[: images.ndim]
    count, _, height, width = images.shape[:4]
    return images.transpose(order).reshape(count, height, width, -1)


def frames_first(images: npt.NDArray[Any], own_shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """The inverse of `frames_last`: images [B, H, W, F · C] as [B, *own_shape]."""
    frames, height, width, *colours = own_shape
    apart = images.reshape(len(images), height, width, frames, *colours)
    return apart.transpose((0, 3, 1, 2, 4)[: apart.ndim])


def convert(space: Any, value: Any) -> Any:
    """An observation in the form of `observation_spec`."""
    from gymnasium import spaces

    if isinstance(space, spaces.Box):
        return value
    if isinstance(space, spaces.Dict):
        return {key: convert(part, value[key]) for key, part in space.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(convert(part, item) for part, item in zip(space, value, strict=True))
    return spaces.flatten(space, value)
