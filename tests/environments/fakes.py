"""A scripted environment, whose every value tells the episode and step that it belongs to."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import dm_env
import numpy as np
from dm_env import specs

from quinoa.environments import FaultKind


@dataclasses.dataclass(frozen=True)
class Episode:
    """One scripted episode: how many steps it has, and whether it terminates or is truncated."""

    length: int
    terminates: bool = True


class ScriptedEnvironment(dm_env.Environment):
    """Plays the given episodes in a circle.

    The observation after `t` steps of episode `e` (both from 0, `e` counted over all resets) is
    `{"where": [identity, e, t], "action": the action that led there (zeros at first)}`, float64.
    The reward of the step that leads there is `100 * e + t`, the discount 1, or 0 where the
    episode terminates. In canonical form that is `O = 3 + A`.
    """

    def __init__(
        self, episodes: Sequence[Episode], *, identity: int = 0, action_size: int = 2
    ) -> None:
        self.episodes = tuple(episodes)
        self.identity = identity
        self.actions: list[np.ndarray] = []
        self.closed = False
        self._action_size = action_size
        self._episode = -1
        self._t = 0
        self._needs_reset = True

    def reset(self) -> dm_env.TimeStep:
        self._episode += 1
        self._t = 0
        self._needs_reset = False
        return dm_env.restart(self._observation(np.zeros(self._action_size)))

    def step(self, action: np.ndarray) -> dm_env.TimeStep:
        if self._needs_reset:
            return self.reset()
        self.actions.append(action)
        self._t += 1
        episode = self.episodes[self._episode % len(self.episodes)]
        last = self._t >= episode.length
        self._needs_reset = last
        return dm_env.TimeStep(
            dm_env.StepType.LAST if last else dm_env.StepType.MID,
            100.0 * self._episode + self._t,
            0.0 if last and episode.terminates else 1.0,
            self._observation(action),
        )

    def observation_spec(self) -> dict[str, specs.Array]:
        return {
            "where": specs.Array((3,), np.float64),
            "action": specs.Array((self._action_size,), np.float64),
        }

    def action_spec(self) -> specs.BoundedArray:
        return specs.BoundedArray((self._action_size,), np.float64, -1.0, 1.0)

    def close(self) -> None:
        self.closed = True

    def _observation(self, action: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "where": np.array([self.identity, self._episode, self._t], np.float64),
            "action": np.array(action, np.float64),
        }


class FaultyEnvironment(ScriptedEnvironment):
    """Plays its script, but breaks at some of its steps or resets, numbered over all of them."""

    def __init__(
        self,
        episodes: Sequence[Episode],
        *,
        faults: Mapping[int, FaultKind] | None = None,
        bad_resets: Collection[int] = (),
        identity: int = 0,
    ) -> None:
        """Breaks at the steps, from 1, in these ways, and raises at these resets, from 1."""
        super().__init__(episodes, identity=identity)
        self._faults = faults or {}
        self._bad_resets = bad_resets
        self._num_steps = self._num_resets = 0

    def reset(self) -> dm_env.TimeStep:
        self._num_resets += 1
        if self._num_resets in self._bad_resets:
            raise OSError("cannot be reset")
        return super().reset()

    def step(self, action: np.ndarray) -> dm_env.TimeStep:
        self._num_steps += 1
        timestep = super().step(action)
        kind = self._faults.get(self._num_steps)
        if kind is FaultKind.RAISED:
            raise ZeroDivisionError("broken")
        if kind is FaultKind.NOT_FINITE:
            timestep.observation["where"][2] = np.nan
        if kind is FaultKind.SPEC:
            timestep.observation["where"] = np.zeros(7)
        return timestep


class FakeEnvironment(dm_env.Environment):
    """Returns what it is told to: specs, and one time step after another whatever is asked."""

    def __init__(
        self,
        timesteps: Sequence[Any] = (),
        *,
        observation_spec: Any = specs.Array((2,), np.float64),  # noqa: B008 - never written to
        action_spec: Any = specs.BoundedArray((1,), np.float64, -1.0, 1.0),  # noqa: B008
        reward_spec: Any = specs.Array((), np.float64),  # noqa: B008
        discount_spec: Any = specs.BoundedArray((), np.float64, 0.0, 1.0),  # noqa: B008
    ) -> None:
        self.actions: list[np.ndarray] = []
        self._timesteps = iter(timesteps)
        self._specs = observation_spec, action_spec, reward_spec, discount_spec

    def reset(self) -> Any:
        return self._next()

    def step(self, action: np.ndarray) -> Any:
        self.actions.append(action)
        return self._next()

    def _next(self) -> Any:
        timestep = next(self._timesteps)
        if isinstance(timestep, BaseException):
            raise timestep
        return timestep

    def observation_spec(self) -> Any:
        return self._specs[0]

    def action_spec(self) -> Any:
        return self._specs[1]

    def reward_spec(self) -> Any:
        return self._specs[2]

    def discount_spec(self) -> Any:
        return self._specs[3]


class ImageEnvironment(dm_env.Environment):
    """Images uint8 of a shape, whose pixels tell the episode, the step and where they are.

    Episodes have five steps. With `returns`, step 3 of the first episode returns that instead.
    """

    def __init__(self, shape: tuple[int, ...] = (6, 5, 2), returns: Any = None) -> None:
        self._shape = shape
        self._returns = returns
        self._episode = -1
        self._t = 0

    def reset(self) -> dm_env.TimeStep:
        self._episode += 1
        self._t = 0
        return dm_env.restart(self.image())

    def step(self, action: np.ndarray) -> dm_env.TimeStep:
        if not 0 <= self._t < 5 or self._episode < 0:
            return self.reset()
        self._t += 1
        image = self.image()
        if self._returns is not None and (self._episode, self._t) == (0, 3):
            image = self._returns
        if self._t == 5:
            return dm_env.termination(1.0, image)
        return dm_env.transition(float(self._t), image)

    def image(self) -> np.ndarray:
        places = np.arange(np.prod(self._shape)).reshape(self._shape)
        return (100 * self._episode + 7 * self._t + places).astype(np.uint8)

    def observation_spec(self) -> specs.Array:
        return specs.Array(self._shape, np.uint8)

    def action_spec(self) -> specs.DiscreteArray:
        return specs.DiscreteArray(3)
