"""The Adroit hand's four tasks: `adroit:door`, `hammer`, `pen` and `relocate`.

Rajeswaran et al. (2017), "Learning Complex Dexterous Manipulation with Deep Reinforcement Learning
and Demonstrations", from gymnasium-robotics, with the dense rewards that the IQ paper trains on.
An episode is 200 steps long, then truncated; no task terminates by itself. (The authors' pen ends
an episode that drops it; gymnasium-robotics takes the penalty for that and goes on.)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import dm_env
import numpy as np
from farama_notifications import notifications

from quinoa.environments import gymnasium_env
from quinoa.environments.errors import UnknownEnvironmentError


@dataclasses.dataclass(frozen=True)
class _Task:
    """One task.

    Attributes:
        id_: Gymnasium's.
        to_object: what of the observation is the vector from the object to the palm: a slice of
            it, or the slices of the palm's position and of the object's. None where the reward
            has no term for it.
    """

    id_: str
    to_object: tuple[slice, ...] | None


_TASKS = {
    "door": _Task("AdroitHandDoor-v1", (slice(-4, -1),)),
    "hammer": _Task("AdroitHandHammer-v1", (slice(-13, -10), slice(-10, -7))),
    "pen": _Task("AdroitHandPen-v1", None),
    "relocate": _Task("AdroitHandRelocate-v1", (slice(-9, -6),)),
}

# The weight of the palm's distance from the object, in the dense reward of each task that has it.
_DISTANCE_WEIGHT = 0.1


class AdroitEnvironment(gymnasium_env.GymnasiumEnvironment):
    """A task whose reward pays for bringing the hand to the object, as its authors have it.

    Version 1 of gymnasium-robotics's tasks adds 0.1 times the distance between the palm and the
    object, where the original subtracts it, and so pays for taking the hand away (its pull request
    220). A later version is to have the right sign; no release has it yet.
    """

    def __init__(
        self, environment: Any, seed: int, name: str, to_object: tuple[slice, ...]
    ) -> None:
        """Wraps a task.

        Args:
            environment: the `gymnasium.Env`, owned from here on.
            seed: as in `GymnasiumEnvironment`.
            name: what errors call it.
            to_object: the vector from the object to the palm in an observation, as one slice or
                as the two whose difference it is.
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
    """The tasks, sorted."""
    return sorted(_TASKS)


def check(name: str) -> None:
    """Raises `UnknownEnvironmentError` where there is no task of this name."""
    if name not in _TASKS:
        raise UnknownEnvironmentError.suggesting(
            f"adroit:{name}",
            [f"adroit:{known}" for known in names()],
            f"The tasks are {', '.join(names())}.",
        )


def load(
    name: str,
    seed: int,
    *,
    rendered: bool = False,
    arguments: Mapping[str, Any] | None = None,
) -> dm_env.Environment:
    """Makes the task of this name, to be rendered or not, with arguments for Gymnasium's `make`.

    Raises:
        UnknownEnvironmentError: there is none.
        InvalidEnvironmentError: gymnasium-robotics, or what it needs, is not installed.
    """
    check(name)
    task = _TASKS[name]
    full_name = f"adroit:{name}"
    # It announces, as it is imported, what `AdroitEnvironment` mends.
    notifications.pop("gymnasium_robotics", None)
    environment = gymnasium_env.make(
        task.id_, full_name, module="gymnasium_robotics", rendered=rendered, arguments=arguments
    )
    if task.to_object is None:
        return gymnasium_env.GymnasiumEnvironment(environment, seed, full_name)
    return AdroitEnvironment(environment, seed, full_name, task.to_object)
