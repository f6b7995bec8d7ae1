"""The layout of an environment's observations and actions.

A policy works in the environment that it was trained in and in others of the same layout. If the
same numbers come in another order, they fit its networks but mean something else. So a run stores
the layout of its environment, and environments made for it later are compared with that.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from dm_env import specs

from quinoa.environments.action_map import ActionMap, AnyActionMap
from quinoa.environments.finite_action_map import FiniteActionMap, ProductActionMap
from quinoa.environments.gymnasium_spaces import frames_last

if TYPE_CHECKING:
    from acme.specs import EnvironmentSpec

    from quinoa.environments.canonical import CanonicalEnvironment


@dataclasses.dataclass(frozen=True)
class Part:
    """One array of an environment's own observation.

    Attributes:
        path: the keys and indices that lead to it; empty if the observation is one array.
        shape: the array's shape or, if it becomes one-hot, that of the one-hot form.
        categories: if it becomes one-hot (as Gymnasium's `Discrete` and `MultiDiscrete` spaces do),
            the number of values of each of its integers; else empty.
        starts: the least value of each of these integers.
        own_shape: that of the environment's own array, where it is another: of integers, of
            `MultiBinary` in more than one dimension, or of stacked frames, which are first there.
            None elsewhere, and in layouts of older versions.
    """

    path: tuple[str | int, ...]
    shape: tuple[int, ...]
    categories: tuple[int, ...] = ()
    starts: tuple[int, ...] = ()
    own_shape: tuple[int, ...] | None = dataclasses.field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The part as an expression: `observation['position']`."""
        return "observation" + "".join(f"[{key!r}]" for key in self.path)

    @property
    def array_shape(self) -> tuple[int, ...]:
        """That of the environment's own array; of integers in older layouts, the likely one."""
        if self.own_shape is not None:
            return self.own_shape
        if not self.categories:
            return self.shape
        return () if len(self.categories) == 1 else (len(self.categories),)

    @property
    def size(self) -> int:
        """How many numbers of the flat observation it makes."""
        return math.prod(self.shape)


@dataclasses.dataclass(frozen=True)
class Layout:
    """The layout of an environment.

    Attributes:
        observation: the observation's parts, in the order of the flat observation.
        action_shape: the shape of the environment's own actions, with A elements (or K, where they
            are choices).
        action_dtype: the name of their NumPy dtype, such as `float32`.
        low: the lower bounds of actions, A numbers; of choices, the least of each.
        high: the upper bounds of actions, A numbers; of choices, the greatest of each.
        number_of_actions: n, where actions are one of n; they then have no bounds. None elsewhere.
        first_action: the least of the environment's own actions, where they are one of n.
        image_maximum: the greatest value of a pixel, where the observation is an image; else None.
    """

    observation: tuple[Part, ...]
    action_shape: tuple[int, ...]
    action_dtype: str
    low: tuple[float, ...]
    high: tuple[float, ...]
    number_of_actions: int | None = None
    first_action: int = 0
    image_maximum: int | None = None

    @classmethod
    def of(cls, environment: CanonicalEnvironment) -> Layout:
        """The layout of an environment."""
        inner: Any = environment.inner
        own_forms: Mapping[Any, Any] = getattr(inner, "own_forms", {})
        actions, observations = environment.action_map, environment.observation_spec()
        made = cls(
            tuple(
                Part(
                    tuple(key if isinstance(key, int) else str(key) for key in leaf.path),
                    tuple(leaf.shape),
                    *own_forms.get(leaf.path, ()),
                )
                for leaf in environment.leaves
            ),
            tuple(actions.shape),
            actions.dtype.name,
            *_bounds(actions),
        )
        if observations.dtype != np.uint8:
            return made
        return dataclasses.replace(made, image_maximum=int(observations.maximum))

    @classmethod
    def from_json(cls, value: Any) -> Layout:
        """Reads the JSON of `to_json`.

        Raises:
            ValueError: it is not a layout's.
        """
        try:
            action = value["action"]
            parts = tuple(
                Part(
                    tuple(part["path"]),
                    tuple(map(int, part["shape"])),
                    tuple(map(int, part.get("categories", ()))),
                    tuple(map(int, part.get("starts", ()))),
                    tuple(map(int, part["own_shape"])) if "own_shape" in part else None,
                )
                for part in value["observation"]
            )
            return cls(
                parts,
                tuple(map(int, action["shape"])),
                np.dtype(action["dtype"]).name,
                tuple(map(float, action["low"])),
                tuple(map(float, action["high"])),
                None if "number" not in action else int(action["number"]),
                int(action.get("first", 0)),
                None if "image" not in value else int(value["image"]["maximum"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no layout of an environment ({error})") from error

    def to_json(self) -> dict[str, Any]:
        """The layout as a JSON-able object."""
        parts = []
        for part in self.observation:
            described: dict[str, Any] = {"path": list(part.path), "shape": list(part.shape)}
            if part.categories:
                described |= {"categories": list(part.categories), "starts": list(part.starts)}
            if part.own_shape is not None:
                described["own_shape"] = list(part.own_shape)
            parts.append(described)
        action: dict[str, Any] = {
            "shape": list(self.action_shape),
            "dtype": self.action_dtype,
            "low": list(self.low),
            "high": list(self.high),
        }
        if self.number_of_actions is not None:
            action["number"] = self.number_of_actions
        if self.first_action:
            action["first"] = self.first_action
        image = self.image_maximum
        described = {"observation": parts, "action": action}
        return described if image is None else {**described, "image": {"maximum": image}}

    @property
    def numbers_of_actions(self) -> tuple[int, ...]:
        """How many values each choice of an action has; one choice of n: (n,); of a box none."""
        actions = self.action_map
        if isinstance(actions, FiniteActionMap):
            return (actions.number,)
        return tuple(actions.numbers.tolist()) if isinstance(actions, ProductActionMap) else ()

    @property
    def observation_size(self) -> int:
        """How many numbers an observation has: O, or H · W · C of an image."""
        return sum(part.size for part in self.observation)

    @property
    def observation_spec(self) -> specs.Array:
        """The spec of an observation in canonical form."""
        if self.image_maximum is None:
            return specs.Array((self.observation_size,), np.float32, name="observation")
        shape = (*self.observation[0].shape, 1)[:3]
        return specs.BoundedArray(shape, np.uint8, 0, self.image_maximum, name="observation")

    @property
    def action_map(self) -> AnyActionMap:
        """The mapping from canonical actions to the environment's own."""
        if self.number_of_actions is not None:
            return FiniteActionMap(self.action_dtype, self.number_of_actions, self.first_action)
        low, high = np.array(self.low), np.array(self.high)
        if np.dtype(self.action_dtype).kind == "f":
            return ActionMap(self.action_shape, self.action_dtype, low, high)
        first, last = low.astype(np.int64), high.astype(np.int64)
        return ProductActionMap(self.action_shape, self.action_dtype, last - first + 1, first)

    def spec(self) -> EnvironmentSpec:
        """The specs of the environment in canonical form, as agents take them."""
        from quinoa.environments.acme_specs import make_spec

        return make_spec(
            observations=self.observation_spec,
            actions=self.action_map.spec,
            rewards=specs.Array((), np.float32, name="reward"),
            discounts=specs.BoundedArray((), np.float32, 0.0, 1.0, name="discount"),
        )

    def difference(self, other: Layout) -> str:
        """Describes the first difference from another layout; empty if they are equal."""
        ours, theirs = self.observation, other.observation
        if ours != theirs:
            mine, its = [part.name for part in ours], [part.name for part in theirs]
            if mine != its:
                return f"its observation is now made of {', '.join(its)}; it was {', '.join(mine)}"
            old, new = next((a, b) for a, b in zip(ours, theirs, strict=True) if a != b)
            if old.shape != new.shape:
                return f"{new.name} has now the shape {new.shape}; it had {old.shape}"
            return (
                f"{new.name} has now categories {new.categories} from {new.starts}; it had "
                f"{old.categories} from {old.starts}"
            )
        if self.image_maximum != other.image_maximum:
            return f"its observation is now {_form(other)}; it was {_form(self)}"
        if _kind(self) != _kind(other):
            return f"its actions are now {_kind(other)}; they were {_kind(self)}"
        if self.action_shape != other.action_shape:
            return f"its actions have now the shape {other.action_shape}, not {self.action_shape}"
        if (self.low, self.high) != (other.low, other.high):
            return (
                f"its actions are now from {_short(other.low)} to {_short(other.high)}; they were "
                f"from {_short(self.low)} to {_short(self.high)}"
            )
        return ""

    def canonical(self, observation: Any) -> tuple[npt.NDArray[Any], bool]:
        """Brings an environment's own observations into canonical form.

        Args:
            observation: an observation, nested as the environment returns it, or a batch of B
                observations, in which every array has a leading dimension [B].

        Returns:
            Float32 [B, O], or uint8 [B, H, W, C] of images, where B is 1 for a single observation,
            and whether it was a batch.

        Raises:
            ValueError: a part is missing, has another shape, or is not finite; or an image is not
                of uint8.
        """
        if self.image_maximum is not None:
            return self._canonical_images(observation)
        columns, counts = [], set()
        for part in self.observation:
            array = _array(observation, part)
            shape = part.array_shape
            if part.own_shape is None and part.categories and array.shape[-1:] == (1,):
                shape = shape or (1,)  # Of one integer an older layout does not say it.
            batch = array.ndim == len(shape) + 1
            if array.shape[array.ndim - len(shape) :] != shape or array.ndim > len(shape) + 1:
                raise ValueError(f"{part.name} has the shape {array.shape}, not {shape}.")
            rows = array if batch else array[np.newaxis]
            if part.categories:
                rows = _one_hot(rows.reshape(len(rows), -1), part)
            columns.append(rows.reshape(len(rows), -1).astype(np.float32))
            counts.add((batch, len(rows)))
        if len(counts) > 1:
            raise ValueError("The parts of the observation are not of one batch.")
        flat = np.concatenate(columns, axis=1)
        if not np.isfinite(flat).all():
            raise ValueError("The observation has a number that is not finite.")
        return flat, counts.pop()[0]

    def _canonical_images(self, observation: Any) -> tuple[npt.NDArray[np.uint8], bool]:
        (part,) = self.observation
        array = _array(observation, part)
        shape = part.array_shape
        is_batch = array.ndim == len(shape) + 1
        if array.shape[is_batch:] != shape:
            raise ValueError(f"{part.name} has the shape {array.shape}, not {shape}.")
        if array.dtype != np.uint8:
            raise ValueError(f"{part.name} is of {array.dtype}, not of uint8.")
        images = array if is_batch else array[np.newaxis]
        if part.own_shape is not None:
            images = frames_last(images)
        return images.reshape(len(images), *self.observation_spec.shape), is_batch


def _array(observation: Any, part: Part) -> npt.NDArray[Any]:
    value = observation
    try:
        for key in part.path:
            value = value[key]
        array = np.asarray(value)
    except (LookupError, TypeError, ValueError):
        raise ValueError(f"{part.name} is missing.") from None
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{part.name} is no array of numbers.")
    return array


def _one_hot(rows: npt.NDArray[Any], part: Part) -> npt.NDArray[np.float32]:
    encoded = []
    for i, (count, start) in enumerate(zip(part.categories, part.starts, strict=True)):
        index = rows[:, i].astype(int) - start
        if ((index < 0) | (index >= count)).any():
            raise ValueError(f"{part.name} must be from {start} to {start + count - 1}.")
        encoded.append(np.eye(count, dtype=np.float32)[index])
    return np.concatenate(encoded, axis=1)


def _form(layout: Layout) -> str:
    if layout.image_maximum is None:
        return "a vector of numbers"
    return f"an image of pixels up to {layout.image_maximum}"


def _bounds(
    actions: AnyActionMap,
) -> tuple[tuple[float, ...], tuple[float, ...], int | None, int]:
    """The layout's `low`, `high`, `number_of_actions` and `first_action`."""
    if isinstance(actions, FiniteActionMap):
        return (), (), actions.number, actions.first
    if isinstance(actions, ProductActionMap):
        first, last = actions.first, actions.first + actions.numbers - 1
        return tuple(map(float, first)), tuple(map(float, last)), None, 0
    return tuple(map(float, actions.low)), tuple(map(float, actions.high)), None, 0


def _kind(layout: Layout) -> str:
    if layout.number_of_actions is None:
        numbers = layout.numbers_of_actions
        return f"choices from {', '.join(map(str, numbers))}" if numbers else "continuous"
    start = f" from {layout.first_action} on" if layout.first_action else ""
    return f"one of {layout.number_of_actions}{start}"


def _short(bounds: tuple[float, ...]) -> str:
    """Bounds as text; one number if all are equal."""
    return f"{bounds[0]:g}" if len(set(bounds)) == 1 else f"[{', '.join(f'{b:g}' for b in bounds)}]"
