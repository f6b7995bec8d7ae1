"""Environments of the user's own, and how small runs in them are made."""

from __future__ import annotations

from typing import Any

import dm_env
import gymnasium
import numpy as np
from dm_env import specs
from gymnasium import spaces

# With which a run takes a second.
SMALL: dict[str, Any] = {
    "min_replay_size": 100,
    "batch_size": 8,
    # Two gradient steps for each step.
    "samples_per_insert": 16,
    "hidden_sizes": (8,),
    "evaluation_episodes": 1,
    "num_actors": 1,
    "environments_per_actor": 2,
    "steps_per_call": 10,
    "steps": 300,
    "progress": False,
}

# Of an agent whose graph is traced in a moment.
SMALLEST: dict[str, Any] = {
    **{name: value for name, value in SMALL.items() if name != "hidden_sizes"},
    "agent": "tests.agents.tiny_discrete",
    "env": "tests.launch.factories:choose",
}

EPISODE = 10


class Toy(gymnasium.Env[Any, Any]):
    """Ten steps, each worth what the environment was made with."""

    observation_space = spaces.Dict(
        {"mark": spaces.Box(-9, 9, (2,)), "count": spaces.Discrete(EPISODE + 1)}
    )
    action_space = spaces.Box(-2, 4, (1,))
    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(self, worth: float = 1.0, render_mode: str | None = None):
        self.worth, self.render_mode = worth, render_mode
        self.steps = 0

    def _seen(self) -> dict[str, Any]:
        return {"mark": np.zeros(2, np.float32), "count": self.steps}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._seen(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.steps += 1
        return self._seen(), self.worth, False, self.steps >= EPISODE, {}

    def render(self):
        return np.zeros((48, 64, 3), np.uint8)


class ToyOfDm(dm_env.Environment):
    """The same of dm_env's kind."""

    def __init__(self, seed: int = 0):
        self.seed = seed
        self.steps = 0

    def reset(self) -> dm_env.TimeStep:
        self.steps = 0
        return dm_env.restart(np.zeros(2))

    def step(self, action: Any) -> dm_env.TimeStep:
        self.steps += 1
        make = dm_env.truncation if self.steps >= EPISODE else dm_env.transition
        return make(1.0, np.zeros(2))

    def observation_spec(self) -> Any:
        return specs.Array((2,), np.float64)

    def action_spec(self) -> Any:
        return specs.BoundedArray((1,), np.float32, -1.0, 1.0)


class Expiring(Toy):
    """Fails for good after some steps, in every process."""

    left = 60

    def step(self, action):
        Expiring.left -= 1
        if Expiring.left < 0:
            raise RuntimeError("the licence has ended")
        return super().step(action)
