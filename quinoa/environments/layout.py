"""What the numbers of an environment mean: the parts of an observation, the bounds of actions.

A policy is of use with the environment that it was trained in, or one of the same layout: another
order of the same numbers fits its networks and means something else. So a run keeps the layout of
its environment, and what is made for it later is held against that.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from dm_env import specs

from quinoa.environments.action_map import ActionMap

if TYPE_CHECKING:
    from acme.specs import EnvironmentSpec

    from quinoa.environments.canonical import CanonicalEnvironment


@dataclasses.dataclass(frozen=True)
class Part:
    """One array of an observation as the environment gives it.

    Attributes:
        path: the keys and indices that lead to it; empty where the observation is one array.
        shape: of the array, or, of categories, of their one-hot form.
        categories: how many values each of its integers can have, where it is made one-hot (a
            space of Gymnasium's that is `Discrete` or `MultiDiscrete`); else nothing.
        starts: the least value of each of these integers.
    """

    path: tuple[str | int, ...]
    shape: tuple[int, ...]
    categories: tuple[int, ...] = ()
    starts: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The part as an expression: `observation['position']`."""
        return "observation" + "".join(f"[{key!r}]" for key in self.path)

    @property
    def size(self) -> int:
        """How many numbers of the flat observation it is."""
        return math.prod(self.shape)


@dataclasses.dataclass(frozen=True)
class Layout:
    """The layout of an environment.

    Attributes:
        observation: its parts, in the order in which they make the flat observation.
        action_shape: of an action as the environment takes it, of A elements.
        action_dtype: its NumPy dtype, as `float32`.
        low: the least action, A numbers.
        high: the greatest action, A numbers.
    """

    observation: tuple[Part, ...]
    action_shape: tuple[int, ...]
    action_dtype: str
    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def of(cls, environment: CanonicalEnvironment) -> Layout:
        """The layout of an environment that has been made."""
        inner: Any = environment.inner
        categories: Mapping[Any, Any] = getattr(inner, "categories", {})
        actions = environment.action_map
        return cls(
            tuple(
                Part(
                    tuple(key if isinstance(key, int) else str(key) for key in leaf.path),
                    tuple(leaf.shape),
                    *categories.get(leaf.path, ((), ())),
                )
                for leaf in environment.leaves
            ),
            tuple(actions.shape),
            actions.dtype.name,
            tuple(map(float, actions.low)),
            tuple(map(float, actions.high)),
        )

    @classmethod
    def from_json(cls, value: Any) -> Layout:
        """Reads what `to_json` gave.

        Raises:
            ValueError: it is something else.
        """
        try:
            action = value["action"]
            parts = tuple(
                Part(
                    tuple(part["path"]),
                    tuple(map(int, part["shape"])),
                    tuple(map(int, part.get("categories", ()))),
                    tuple(map(int, part.get("starts", ()))),
                )
                for part in value["observation"]
            )
            return cls(
                parts,
                tuple(map(int, action["shape"])),
                np.dtype(action["dtype"]).name,
                tuple(map(float, action["low"])),
                tuple(map(float, action["high"])),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no layout of an environment ({error})") from error

    def to_json(self) -> dict[str, Any]:
        """The layout as JSON holds it."""
        parts = []
        for part in self.observation:
            described: dict[str, Any] = {"path": list(part.path), "shape": list(part.shape)}
            if part.categories:
                described |= {"categories": list(part.categories), "starts": list(part.starts)}
            parts.append(described)
        action = {
            "shape": list(self.action_shape),
            "dtype": self.action_dtype,
            "low": list(self.low),
            "high": list(self.high),
        }
        return {"observation": parts, "action": action}

    @property
    def observation_size(self) -> int:
        """O, the numbers of a flat observation."""
        return sum(part.size for part in self.observation)

    @property
    def action_map(self) -> ActionMap:
        """From actions in [-1, 1] to the environment's own."""
        return ActionMap(
            self.action_shape, self.action_dtype, np.array(self.low), np.array(self.high)
        )

    def spec(self) -> EnvironmentSpec:
        """The specs of the environment in canonical form, as agents take them."""
        from quinoa.environments.acme_specs import make_spec

        return make_spec(
            observations=specs.Array((self.observation_size,), np.float32, name="observation"),
            actions=specs.BoundedArray((len(self.low),), np.float32, -1.0, 1.0, name="action"),
            rewards=specs.Array((), np.float32, name="reward"),
            discounts=specs.BoundedArray((), np.float32, 0.0, 1.0, name="discount"),
        )

    def difference(self, other: Layout) -> str:
        """What another layout has that this one has not, in words; nothing where they are equal."""
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
        if self.action_shape != other.action_shape:
            return f"its actions have now the shape {other.action_shape}, not {self.action_shape}"
        if (self.low, self.high) != (other.low, other.high):
            return (
                f"its actions are now from {_short(other.low)} to {_short(other.high)}; they were "
                f"from {_short(self.low)} to {_short(self.high)}"
            )
        return ""

    def flatten(self, observation: Any) -> tuple[npt.NDArray[np.float32], bool]:
        """Makes raw observations flat.

        Args:
            observation: as the environment gives it, nested like its own; or B of them at once,
                every array of it with a leading dimension [B].

        Returns:
            Float32 [B, O], with B = 1 for a single observation; and whether it was a batch.

        Raises:
            ValueError: a part is missing, of another shape, or not finite.
        """
        columns, counts = [], set()
        for part in self.observation:
            array = _array(observation, part)
            shape = (len(part.categories),) if part.categories else part.shape
            if part.categories and array.shape[-1:] != shape and len(part.categories) == 1:
                array = array[..., np.newaxis]  # A Discrete space's single integer.
            batch = array.ndim == len(shape) + 1
            if array.shape[array.ndim - len(shape) :] != shape or array.ndim > len(shape) + 1:
                raise ValueError(f"{part.name} has the shape {array.shape}, not {shape}.")
            rows = array if batch else array[np.newaxis]
            if part.categories:
                rows = _one_hot(rows, part)
            columns.append(rows.reshape(len(rows), -1).astype(np.float32))
            counts.add((batch, len(rows)))
        if len(counts) > 1:
            raise ValueError("The parts of the observation are not of one batch.")
        flat = np.concatenate(columns, axis=1)
        if not np.isfinite(flat).all():
            raise ValueError("The observation has a number that is not finite.")
        return flat, counts.pop()[0]


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


def _short(bounds: tuple[float, ...]) -> str:
    """Equal bounds as one number."""
    return f"{bounds[0]:g}" if len(set(bounds)) == 1 else f"[{', '.join(f'{b:g}' for b in bounds)}]"
