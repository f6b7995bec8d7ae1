"""An environment that takes time but no computing, so that cores do not limit its actors."""

from __future__ import annotations

import time

import dm_env
import numpy as np
import numpy.typing as npt
from dm_env import specs

# Seconds that one step takes.
STEP_S = 0.1
_OBSERVATION_SIZE = 17
_ACTION_SIZE = 6
_EPISODE_LENGTH = 1000


class Simulated(dm_env.Environment):
    """Random observations, each after a wait of `step_s` seconds, in episodes of 1000 steps."""

    def __init__(self, seed: int, *, step_s: float = STEP_S) -> None:
        self._step_s = step_s
        self._random = np.random.default_rng(seed)
        self._steps_left = 0

    def reset(self) -> dm_env.TimeStep:
        """Starts an episode."""
        self._steps_left = _EPISODE_LENGTH
        return dm_env.restart(self._observation())

    def step(self, action: npt.NDArray[np.float32]) -> dm_env.TimeStep:
        """Waits, whatever the action."""
        del action
        if not self._steps_left:
            return self.reset()
        self._steps_left -= 1
        time.sleep(self._step_s)
        if self._steps_left:
            return dm_env.transition(0.0, self._observation())
        return dm_env.truncation(0.0, self._observation())

    def observation_spec(self) -> specs.Array:
        """float32 `[17]`, as cheetah's."""
        return specs.Array((_OBSERVATION_SIZE,), np.float32, "observation")

    def action_spec(self) -> specs.BoundedArray:
        """float32 `[6]`, as cheetah's."""
        return specs.BoundedArray((_ACTION_SIZE,), np.float32, -1.0, 1.0, "action")

    def _observation(self) -> npt.NDArray[np.float32]:
        return self._random.standard_normal(_OBSERVATION_SIZE, np.float32)


def make(seed: int) -> Simulated:
    """Makes one, as `quinoa.environments.make` wants it."""
    return Simulated(seed)
