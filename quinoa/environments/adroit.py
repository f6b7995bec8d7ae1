"""The Adroit hand's four tasks, `adroit:door`, `hammer`, `pen` and `relocate`.

Rajeswaran et al. (2017), "Learning Complex Dexterous Manipulation with Deep Reinforcement Learning
and Demonstrations", from gymnasium-robotics, with the dense rewards that the IQ paper trains on.
Episodes are truncated after 200 steps; no task terminates. (In the authors' version an episode ends
when the pen is dropped; in gymnasium-robotics that only costs a penalty.)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import dm_env
import numpy as np

from quinoa.environments import gymnasium_env
from quinoa.environments.errors import require_known


@dataclasses.dataclass(frozen=True)
class _Task:
    """One task.

    Attributes:
        id_: its Gymnasium id.
        to_object: where the observation has the vector from the object to the palm: one slice, or
            the slices of the palm's and the object's positions. None if the reward does not use it.
    """

    id_: str
    to_object: tuple[slice, ...] | None


_TASKS = {
    "door": _Task("AdroitHandDoor-v1", (slice(-4, -1),)),
    "hammer": _Task("AdroitHandHammer-v1", (slice(-13, -10), slice(-10, -7))),
    "pen": _Task("AdroitHandPen-v1", None),
    "relocate": _Task("AdroitHandRelocate-v1", (slice(-9, -6),)),
}

# The weight of the distance between palm and object in the dense rewards.
_DISTANCE_WEIGHT = 0.1


class AdroitEnvironment(gymnasium_env.GymnasiumEnvironment):
    """A task with the authors' sign of the distance between the palm and the object in its reward.

    Version 1 of gymnasium-robotics's tasks adds 0.1 times that distance, where the original
    subtracts it, and so rewards moving the hand away from the object. Its pull request 220 corrects
    that, but no release has it yet.
    """

    def __init__(
        self, environment: Any, seed: int, name: str, to_object: tuple[slice, ...]
    ) -> None:
        """Wraps a task.

        Args:
            environment: the `gymnasium.Env`, which `close` closes.
            seed: as in `GymnasiumEnvironment`.
            name: its name in error messages.
            to_object: see `_Task`.
        """
        super().__init__(environment, seed, name)
        self._to_object = to_object

    def step(self, action: Any) -> dm_env.TimeStep:
        """Applies an action, or starts an episode if none is running."""
        timestep = super().step(action)
        if timestep.first():
            return timestep
        parts = [timestep.observation[part] for part in self._to_object]
        distance = np.linalg.norm(parts[0] if len(parts) == 1 else parts[0] - parts[1])
        return timestep._replace(reward=timestep.reward - 2 * _DISTANCE_WEIGHT * distance)


def names() -> list[str]:
    """Lists the tasks, sorted."""
    return sorted(_TASKS)


def check(name: str) -> None:
    """Raises `UnknownEnvironmentError` if there is no task of this name."""
    require_known("adroit", name, names())


def load(
    name: str,
    seed: int,
    *,
    rendered: bool = False,
    arguments: Mapping[str, Any] | None = None,
) -> dm_env.Environment:
    """Makes the task of this name.

    Args:
        name: the task's name.
        seed: the seed of its first reset.
        rendered: whether `render` will be called.
        arguments: keyword arguments of Gymnasium's `make`.

    Raises:
        UnknownEnvironmentError: there is no such task.
        InvalidEnvironmentError: gymnasium-robotics, or a package that it needs, is not installed.
    """
    check(name)
    task = _TASKS[name]
    full_name = f"adroit:{name}"
    environment = gymnasium_env.make(
        task.id_, full_name, module="gymnasium_robotics", rendered=rendered, arguments=arguments
    )
    if task.to_object is None:
        return gymnasium_env.GymnasiumEnvironment(environment, seed, full_name)
    return AdroitEnvironment(environment, seed, full_name, task.to_object)
