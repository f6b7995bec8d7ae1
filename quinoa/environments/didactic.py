"""Tasks that papers explain an algorithm with, `didactic:<task>`; all but one have no simulator.

`two_gaussians` is the bandit of Nachum et al. (2018), Figure 1. Of Haarnoja et al. (2017) are
`multi_goal`, the point in the plane of section 5.1, `swimmer`, the snake with a finish line of
section 5.2 (`quinoa.environments.finish_line`), and `open_plane`, `hallway` and `u_maze`, the
places of section 5.3 for a point in place of the paper's quadruped
(`quinoa.environments.point_mass`). `maze` pays only at its end, and `maze_dense` on the way there
too (`quinoa.environments.maze`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import dm_env
import numpy as np
import numpy.typing as npt
from dm_env import specs

from quinoa.environments import finish_line, point_mass
from quinoa.environments.errors import require_known
from quinoa.environments.maze import Maze

FloatArray = npt.NDArray[np.float64]


class TwoGaussians(dm_env.Environment):
    """One action, whose reward is a mixture of two Gaussians; the one around 0 is the worse.

    A policy that begins around 0 is at a local optimum. The observation is always 0, and every
    episode has one step.
    """

    def __init__(self, seed: int = 0, *, best: float = 0.8, width: float = 0.2, low: float = 0.8):
        """Makes the bandit; nothing of it is random.

        Args:
            seed: not used.
            best: the action with the greatest reward, about 1.
            width: the deviation of both Gaussians.
            low: the height of the Gaussian around 0.
        """
        del seed
        self._best, self._width, self._low = best, width, low

    def reward(self, action: npt.ArrayLike) -> FloatArray:
        """The reward of actions, of their shape."""
        a = np.asarray(action, np.float64)
        heights = ((self._low, 0.0), (1.0, self._best))
        found = np.zeros_like(a)
        for height, mean in heights:
            found += height * np.exp(-0.5 * np.square((a - mean) / self._width))
        return found

    def reset(self) -> dm_env.TimeStep:
        """Starts an episode."""
        return dm_env.restart(np.zeros(1))

    def step(self, action: Any) -> dm_env.TimeStep:
        """Applies the episode's one action."""
        return dm_env.termination(float(self.reward(action)[0]), np.zeros(1))

    def observation_spec(self) -> specs.Array:
        """Float64 [1], which is 0."""
        return specs.Array((1,), np.float64, "state")

    def action_spec(self) -> specs.BoundedArray:
        """Float64 [1]."""
        return specs.BoundedArray((1,), np.float64, -1.0, 1.0)


class MultiGoal(dm_env.Environment):
    """A point in the plane, whose velocity is the action, between four goals on the axes.

    The reward is minus the squared distance of the nearest goal and a cost of the action's square,
    and a bonus where a goal is reached, which ends the episode. The paper says that its reward is a
    mixture of Gaussians and gives no numbers; these are those of the code that it published
    (github.com/haarnoja/softqlearning, `MultiGoalEnv`).
    """

    def __init__(
        self,
        seed: int,
        *,
        goal_distance: float = 5.0,
        goal_radius: float = 1.0,
        goal_reward: float = 10.0,
        action_cost: float = 30.0,
        reward_scale: float = 1.0,
        start_stddev: float = 0.1,
        limit: float = 7.0,
        max_steps: int = 20,
    ):
        """Makes the plane.

        Args:
            seed: of where episodes start.
            goal_distance: of each goal from the middle.
            goal_radius: how near the point must come.
            goal_reward: the bonus.
            action_cost: of an action's squared length.
            reward_scale: what all of the reward is multiplied by.
            start_stddev: the deviation of where episodes start, around the middle.
            limit: coordinates stay within ± this.
            max_steps: after how many steps an episode is truncated.
        """
        self._rng = np.random.default_rng(seed)
        directions = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        self.goals: FloatArray = goal_distance * directions
        self._radius, self._bonus, self._cost = goal_radius, goal_reward, action_cost
        self._scale = reward_scale
        self._start_stddev, self._limit, self._max_steps = start_stddev, limit, max_steps
        self._position: FloatArray = np.zeros(2)
        self._steps: int | None = None

    def reset(self) -> dm_env.TimeStep:
        """Starts an episode near the middle."""
        self._position = self._start_stddev * self._rng.standard_normal(2)
        self._steps = 0
        return dm_env.restart(self._position.copy())

    def step(self, action: Any) -> dm_env.TimeStep:
        """Moves the point, or starts an episode if none is running."""
        if self._steps is None:
            return self.reset()
        velocity = np.asarray(action, np.float64)
        self._position = np.clip(self._position + velocity, -self._limit, self._limit)
        self._steps += 1
        squared = np.sum(np.square(self.goals - self._position), axis=-1).min()
        reward = -squared - self._cost * float(velocity @ velocity)
        observation = self._position.copy()
        if squared < self._radius**2:
            self._steps = None
            return dm_env.termination(self._scale * (reward + self._bonus), observation)
        if self._steps >= self._max_steps:
            self._steps = None
            return dm_env.truncation(self._scale * reward, observation)
        return dm_env.transition(self._scale * reward, observation)

    def observation_spec(self) -> specs.Array:
        """Float64 [2], the point's position."""
        return specs.Array((2,), np.float64, "position")

    def action_spec(self) -> specs.BoundedArray:
        """Float64 [2], the point's velocity."""
        return specs.BoundedArray((2,), np.float64, -1.0, 1.0)


_TASKS: Mapping[str, Callable[..., dm_env.Environment]] = {
    "maze": Maze,
    "maze_dense": functools.partial(Maze, dense=True),
    "multi_goal": MultiGoal,
    "two_gaussians": TwoGaussians,
    **{name: functools.partial(point_mass.PointMass, name) for name in point_mass.PLACES},
}
# It alone has a simulator, and can be rendered.
_SWIMMER = "swimmer"


def names() -> list[str]:
    """Lists the tasks."""
    return sorted([*_TASKS, _SWIMMER])


def check(name: str) -> None:
    """Raises `UnknownEnvironmentError` if there is no task of this name."""
    require_known("didactic", name, names())


def load(
    name: str,
    seed: int,
    *,
    rendered: bool = False,
    arguments: Mapping[str, Any] | None = None,
) -> dm_env.Environment:
    """Makes the task of this name; raises what `check` does.

    Args:
        name: the task's name.
        seed: of where its episodes start.
        rendered: whether it will be rendered, which none but the swimmer can be.
        arguments: keyword arguments of its class.
    """
    check(name)
    if name == _SWIMMER:
        return finish_line.make(f"didactic:{name}", seed, rendered=rendered, **(arguments or {}))
    return _TASKS[name](seed, **(arguments or {}))
