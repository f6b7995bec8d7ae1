"""The swimming snake with a finish line, `didactic:swimmer`: Haarnoja et al. (2017), section 5.2.

The snake is rewarded for its speed along the x-axis in either direction, and past a line in front
of it for being there too. Who explores both directions finds the line.
"""

from __future__ import annotations

from typing import Any

import dm_env

from quinoa.environments import gymnasium_env

_SIMULATED = "Swimmer-v4"


class FinishLineSwimmer(gymnasium_env.GymnasiumEnvironment):
    """Gymnasium's swimmer of three links, with the paper's reward and episodes of 500 steps.

    The reward of a step is |Δx| / Δt, and `finish_reward` more where x is past the line; the cost
    of the action is Gymnasium's. The observation begins with the position, which Gymnasium leaves
    out, as the reward depends on it.

    The paper's snake is rllab's and has no number: not the line's distance, nor its reward. Those
    are ours.
    """

    def __init__(
        self, environment: Any, seed: int, name: str, *, finish_line: float, finish_reward: float
    ) -> None:
        """Wraps Gymnasium's swimmer.

        Args:
            environment: the `gymnasium.Env`, with positions in its observations.
            seed: as in `GymnasiumEnvironment`.
            name: its name in error messages.
            finish_line: the x of the line, in metres; episodes start near 0.
            finish_reward: of each step past it.
        """
        super().__init__(environment, seed, name)
        self._finish_line, self._finish_reward = finish_line, finish_reward

    def step(self, action: Any) -> dm_env.TimeStep:
        """Applies an action, or starts an episode if none is running."""
        before = self.x
        timestep = super().step(action)
        if timestep.first():
            return timestep
        velocity = (self.x - before) / float(self.gymnasium_environment.unwrapped.dt)
        # Gymnasium's reward has the velocity with its sign.
        reward = timestep.reward - velocity + abs(velocity)
        if self.x > self._finish_line:
            reward += self._finish_reward
        return timestep._replace(reward=reward)

    @property
    def x(self) -> float:
        """The position of the snake along the x-axis, in metres."""
        return float(self.gymnasium_environment.unwrapped.data.qpos[0])


def make(
    name: str,
    seed: int,
    *,
    rendered: bool = False,
    finish_line: float = 2.0,
    finish_reward: float = 1.0,
    max_episode_steps: int = 500,
) -> FinishLineSwimmer:
    """Makes the task.

    Args:
        name: its name in error messages.
        seed: the seed of its first reset.
        rendered: whether `render` will be called.
        finish_line: see `FinishLineSwimmer`.
        finish_reward: likewise.
        max_episode_steps: after how many steps an episode is truncated.

    Raises:
        InvalidEnvironmentError: Gymnasium, or a package that it needs, is not installed.
        NotRenderableError: it is to be rendered, and cannot be.
    """
    environment = gymnasium_env.make(
        _SIMULATED,
        name,
        rendered=rendered,
        arguments={
            "exclude_current_positions_from_observation": False,
            "max_episode_steps": max_episode_steps,
        },
    )
    return FinishLineSwimmer(
        environment, seed, name, finish_line=finish_line, finish_reward=finish_reward
    )
