"""A task's own observations and actions, as its layout says, and their spaces of Gymnasium."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from quinoa.demonstrations.names import DatasetError
from quinoa.environments import Layout
from quinoa.environments.gymnasium_spaces import frames_first
from quinoa.environments.layout import Part


def own_observations(layout: Layout, observations: npt.NDArray[Any]) -> Any:
    """Brings B canonical observations into the task's own form: `Layout.canonical` undone.

    Args:
        layout: of the task.
        observations: float32 [B, O], or uint8 [B, H, W, C] of images.

    Returns:
        Arrays with a leading dimension [B], nested in dictionaries and tuples as the environment
        nests them. What `canonical` makes one-hot vectors of is integers again, of shape [B] where
        the part is one integer.
    """
    if layout.image_maximum is not None:
        (part,) = layout.observation
        if part.own_shape is not None:
            return _nested({part.path: frames_first(observations, part.own_shape)})
        return _nested({part.path: observations.reshape(len(observations), *part.shape)})
    values, start = {}, 0
    for part in layout.observation:
        numbers = observations[:, start : start + part.size]
        start += part.size
        if part.categories:
            values[part.path] = _integers(numbers, part)
        else:
            values[part.path] = numbers.reshape(len(numbers), *part.array_shape)
    return _nested(values)


def observation_space(layout: Layout) -> Any:
    """The space of what `own_observations` returns, of one observation."""
    leaves = {part.path: _space(part, layout.image_maximum) for part in layout.observation}
    return _joined(_nested(leaves))


def action_space(layout: Layout) -> Any:
    """The space of a task's own actions, with their shape, dtype and bounds."""
    from gymnasium import spaces

    if layout.number_of_actions is not None:
        return spaces.Discrete(layout.number_of_actions, start=layout.first_action)
    low, high = (np.reshape(bounds, layout.action_shape) for bounds in (layout.low, layout.high))
    dtype: Any = action_dtype(layout)
    if layout.numbers_of_actions:
        numbers = np.reshape(layout.numbers_of_actions, layout.action_shape)
        return spaces.MultiDiscrete(numbers, dtype, start=low.astype(dtype))
    return spaces.Box(low.astype(dtype), high.astype(dtype), layout.action_shape, dtype)


def action_dtype(layout: Layout) -> np.dtype[Any]:
    """That of recorded actions: the task's own, but uint8, which Minari takes for images."""
    own = np.dtype(layout.action_dtype)
    return np.dtype(np.int64) if own == np.uint8 else own


def check_actions(space: Any, layout: Layout) -> None:
    """Raises `DatasetError` unless a dataset's actions are the task's."""
    from gymnasium import spaces

    wanted = action_space(layout)
    if isinstance(wanted, spaces.Discrete):
        same = (
            isinstance(space, spaces.Discrete)
            and int(space.n) == layout.number_of_actions
            and int(space.start) == layout.first_action
        )
    elif isinstance(wanted, spaces.MultiDiscrete):
        same = (
            isinstance(space, spaces.MultiDiscrete)
            and np.array_equal(space.nvec, wanted.nvec)
            and np.array_equal(space.start, wanted.start)
        )
    else:
        same = (
            isinstance(space, spaces.Box)
            and space.shape == wanted.shape
            and np.allclose(space.low, wanted.low)
            and np.allclose(space.high, wanted.high)
        )
    if not same:
        own, tasks = (" ".join(str(each).split()) for each in (space, wanted))
        raise DatasetError(f"its actions are of {own}, and the task's are of {tasks}")


def _space(part: Part, image_maximum: int | None) -> Any:
    from gymnasium import spaces

    shape = part.array_shape
    if image_maximum is not None:
        return spaces.Box(0, image_maximum, shape, np.uint8)
    if part.categories and not shape:
        return spaces.Discrete(part.categories[0], start=part.starts[0])
    if part.categories:
        numbers, starts = (np.reshape(each, shape) for each in (part.categories, part.starts))
        return spaces.MultiDiscrete(numbers, start=starts)
    return spaces.Box(-np.inf, np.inf, shape, np.float32)


def _joined(leaves: Any) -> Any:
    from gymnasium import spaces

    if isinstance(leaves, dict):
        return spaces.Dict({str(key): _joined(value) for key, value in leaves.items()})
    if isinstance(leaves, tuple):
        return spaces.Tuple([_joined(value) for value in leaves])
    return leaves


def _nested(values: Mapping[tuple[str | int, ...], Any]) -> Any:
    """Nests values in dictionaries and tuples, as their paths say.

    A level whose keys are integers becomes a tuple, in the order given.
    """
    if () in values:
        return values[()]
    levels: dict[str | int, dict[tuple[str | int, ...], Any]] = {}
    for (key, *rest), value in values.items():
        levels.setdefault(key, {})[tuple(rest)] = value
    parts = {key: _nested(level) for key, level in levels.items()}
    return tuple(parts.values()) if all(isinstance(key, int) for key in parts) else parts


def _integers(rows: npt.NDArray[Any], part: Part) -> npt.NDArray[np.int64]:
    """The integers that one-hot vectors stand for, [B, ...] as the environment has them."""
    ends = np.cumsum(part.categories)
    each = np.split(rows, ends[:-1], axis=1)
    integers: npt.NDArray[np.int64] = np.stack([of.argmax(axis=1) for of in each], axis=1)
    integers += np.array(part.starts)
    return integers.reshape(len(rows), *part.array_shape)
