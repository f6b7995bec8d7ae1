"""A point in a maze, whose reward is far away: `didactic:maze`, and `didactic:maze_dense`.

After the point mazes of Fu et al. (2020), "D4RL: Datasets for Deep Data-Driven Reinforcement
Learning", section 4: a point is to go around walls to a goal, and is paid only there. Here the
action is its velocity, and no simulator is needed.
"""

from __future__ import annotations

import collections
from typing import Any

import dm_env
import numpy as np
import numpy.typing as npt
from dm_env import specs

FloatArray = npt.NDArray[np.float64]

# S is the start, G the goal, # a wall. The shortest way from S to G is 20 cells long.
_MAP = (
    "#########",
    "#S.....##",
    "######.##",
    "#......##",
    "#.#######",
    "#......G#",
    "#########",
)


class Maze(dm_env.Environment):
    """A point that moves by its action, up to a part of a cell at each step, and stops at walls.

    The reward is 1 where the point enters the goal's cell, which ends the episode, and 0 elsewhere.
    Where it is dense, the distance that the step has gained along the shortest way is added.
    """

    def __init__(
        self,
        seed: int,
        *,
        dense: bool = False,
        speed: float = 0.5,
        start_noise: float = 0.1,
        max_steps: int = 100,
    ) -> None:
        """Makes the maze.

        Args:
            seed: of where in the first cell episodes start.
            dense: whether steps towards the goal are paid.
            speed: cells that a coordinate changes by at most in one step.
            start_noise: how far from the middle of the first cell an episode starts at most.
            max_steps: after how many steps an episode is truncated.

        Raises:
            ValueError: the point could jump over a wall, or start in one.
        """
        if not (0.0 < speed <= 1.0 and 0.0 <= start_noise < 0.5):
            raise ValueError(
                f"speed must be above 0 and at most 1, and start_noise from 0 to below 0.5, not "
                f"{speed} and {start_noise}."
            )
        self._rng = np.random.default_rng(seed)
        self._dense, self._speed, self._noise = dense, speed, start_noise
        self._max_steps = max_steps
        self._free = np.array([[cell != "#" for cell in row] for row in _MAP])
        self._start, self._goal = _place("S"), _place("G")
        self._distances = _distances(self._free, self._goal)
        self._position: FloatArray = np.zeros(2)
        self._steps: int | None = None

    def reset(self) -> dm_env.TimeStep:
        """Starts an episode in the first cell."""
        noise = self._rng.uniform(-self._noise, self._noise, 2)
        self._position = np.array(self._start) + 0.5 + noise
        self._steps = 0
        return dm_env.restart(self._observation())

    def step(self, action: Any) -> dm_env.TimeStep:
        """Moves the point, or starts an episode if none is running."""
        if self._steps is None:
            return self.reset()
        before = self._distance()
        velocity = self._speed * np.clip(np.asarray(action, np.float64), -1.0, 1.0)
        # One coordinate after the other, so that the point slides along walls.
        for axis in range(2):
            moved = self._position.copy()
            moved[axis] += velocity[axis]
            if self._free[_cell(moved)]:
                self._position = moved
        self._steps += 1
        reward = before - self._distance() if self._dense else 0.0
        if _cell(self._position) == self._goal:
            self._steps = None
            return dm_env.termination(reward + 1.0, self._observation())
        if self._steps >= self._max_steps:
            self._steps = None
            return dm_env.truncation(reward, self._observation())
        return dm_env.transition(reward, self._observation())

    def observation_spec(self) -> specs.Array:
        """Float64 [2], the point's position, from -1 to 1 across the maze."""
        return specs.Array((2,), np.float64, "position")

    def action_spec(self) -> specs.BoundedArray:
        """Float64 [2], the point's velocity."""
        return specs.BoundedArray((2,), np.float64, -1.0, 1.0)

    def _observation(self) -> FloatArray:
        size: FloatArray = np.array(self._free.shape, np.float64)
        return 2.0 * self._position / size - 1.0

    def _distance(self) -> float:
        """Cells from the point to the goal along the shortest way, which leads through middles."""
        cell = _cell(self._position)
        if cell == self._goal:
            return 0.0
        nearer = min(_neighbours(cell), key=lambda other: self._distances[other])
        to_next = float(np.linalg.norm(np.array(nearer) + 0.5 - self._position))
        return float(self._distances[nearer]) + to_next


def _place(letter: str) -> tuple[int, int]:
    ((row, column),) = (
        (row, cells.index(letter)) for row, cells in enumerate(_MAP) if letter in cells
    )
    return row, column


def _cell(position: FloatArray) -> tuple[int, int]:
    row, column = np.floor(position).astype(int)
    return int(row), int(column)


def _neighbours(cell: tuple[int, int]) -> list[tuple[int, int]]:
    row, column = cell
    return [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]


def _distances(free: npt.NDArray[np.bool_], goal: tuple[int, int]) -> FloatArray:
    """Cells from each cell to the goal, infinite for walls, by breadth-first search."""
    found: FloatArray = np.full(free.shape, np.inf)
    found[goal] = 0.0
    queue = collections.deque([goal])
    while queue:
        cell = queue.popleft()
        for other in _neighbours(cell):
            if free[other] and np.isinf(found[other]):
                found[other] = found[cell] + 1.0
                queue.append(other)
    return found
