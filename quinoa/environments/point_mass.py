"""A point with inertia in a plane with walls: the places of Haarnoja et al. (2017), section 5.3.

There a quadruped learns to walk in an empty plane, where speed in any direction is rewarded, and
goes on learning in a hallway with the same reward, or in a U-shaped maze, where nearness to a
target is rewarded. Here a point takes its place, whose skill is to keep a direction: pushed in
another direction at each step it goes nowhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import dm_env
import numpy as np
import numpy.typing as npt
from dm_env import specs

FloatArray = npt.NDArray[np.float64]

# How near to a wall the point can come, so that rounding never puts it into the wall.
_GAP = 1e-3


class Place(NamedTuple):
    """Where the point is, and what is rewarded there.

    Attributes:
        rows: the map from north to south, a character for each square with a side of 1: `#` is
            wall, `S` where episodes start, `T` the target; none is a plane without walls.
        start_range: positions at the start are uniform within ± this of the start, in each
            dimension.
    """

    rows: Sequence[str] = ()
    start_range: float = 0.0


PLACES: Mapping[str, Place] = {
    # From one point all paths go away from it, and a policy could learn directions by heart.
    "open_plane": Place(start_range=6.0),
    "hallway": Place(
        (
            "###############",
            "#      S      #",
            "###############",
        )
    ),
    "u_maze": Place(
        (
            "#########",
            "#S      #",
            "####### #",
            "#T      #",
            "#########",
        )
    ),
}


class PointMass(dm_env.Environment):
    """A point, which the action pushes; an episode is truncated after `max_steps`.

    With a target the reward is exp(−d²/(2 w²)), where d is the distance to it; without one it is
    the speed, 1 at most. A wall stops what of the velocity is towards it.
    """

    def __init__(
        self,
        place: str,
        seed: int,
        *,
        max_speed: float = 0.5,
        response: float = 0.2,
        target_width: float = 0.5,
        start_range: float | None = None,
        max_steps: int = 60,
    ):
        """Makes a place.

        Args:
            place: its name in `PLACES`.
            seed: of where episodes start.
            max_speed: what the speed goes to under the greatest force, in squares a step; below 1,
                so that no wall is jumped over.
            response: how much of the way to that the velocity goes in a step, in (0, 1].
            target_width: w, in squares.
            start_range: see `Place`; None is the place's.
            max_steps: after how many steps an episode is truncated.

        Raises:
            ValueError: `max_speed`, `response`, `target_width` or `start_range` is out of its
                range.
        """
        if not 0.0 < max_speed < 1.0:
            raise ValueError(f"max_speed must be above 0 and below 1, not {max_speed}.")
        if not 0.0 < response <= 1.0:
            raise ValueError(f"response must be above 0 and at most 1, not {response}.")
        if target_width <= 0.0:
            raise ValueError(f"target_width must be above 0, not {target_width}.")
        rows, spread = PLACES[place]
        self._rng = np.random.default_rng(seed)
        self._max_speed, self._response = max_speed, response
        self._width, self._max_steps = target_width, max_steps
        self._spread = spread if start_range is None else start_range
        if self._spread < 0.0 or (rows and self._spread >= 0.5):
            raise ValueError(
                "start_range must be at least 0 and, where there are walls, below 0.5, not "
                f"{self._spread}."
            )
        squares = {
            (column, -row): mark
            for row, line in enumerate(rows)
            for column, mark in enumerate(line)
        }
        marked = {mark: square for square, mark in squares.items()}
        x, y = marked.get("S", (0, 0))
        # Positions are from the start's square.
        self._walls = {(i - x, j - y) for (i, j), mark in squares.items() if mark == "#"}
        self.target: FloatArray | None = None
        if "T" in marked:
            self.target = np.subtract(marked["T"], (x, y)).astype(np.float64)
        self._position: FloatArray = np.zeros(2)
        self._velocity: FloatArray = np.zeros(2)
        self._steps: int | None = None

    def reset(self) -> dm_env.TimeStep:
        """Starts an episode, at rest."""
        self._position = self._rng.uniform(-self._spread, self._spread, size=2)
        self._velocity = np.zeros(2)
        self._steps = 0
        return dm_env.restart(self._observe())

    def step(self, action: Any) -> dm_env.TimeStep:
        """Pushes the point, or starts an episode if none is running."""
        if self._steps is None:
            return self.reset()
        force = np.asarray(action, np.float64)
        # No direction is better than another: within the disc, not the box.
        force = force / max(1.0, math.hypot(*force))
        self._velocity += self._response * (self._max_speed * force - self._velocity)
        for axis in (0, 1):
            self._move(axis)
        self._steps += 1
        if self._steps >= self._max_steps:
            self._steps = None
            return dm_env.truncation(self._reward(), self._observe())
        return dm_env.transition(self._reward(), self._observe())

    def observation_spec(self) -> specs.Array:
        """Float64 [4]: the position in squares from the start, and the velocity, at most 1 long."""
        return specs.Array((4,), np.float64, "position_and_velocity")

    def action_spec(self) -> specs.BoundedArray:
        """Float64 [2], the force, of which at most the length 1 counts."""
        return specs.BoundedArray((2,), np.float64, -1.0, 1.0)

    def _move(self, axis: int) -> None:
        """Moves the point in one dimension, up to a wall."""
        moved = self._position.copy()
        moved[axis] += self._velocity[axis]
        square = (round(moved[0]), round(moved[1]))
        if square in self._walls:
            towards = math.copysign(1.0, self._velocity[axis])
            moved[axis] = square[axis] - towards * (0.5 + _GAP)
            self._velocity[axis] = 0.0
        self._position = moved

    def _reward(self) -> float:
        if self.target is None:
            return math.hypot(*self._velocity) / self._max_speed
        squared = float(np.sum(np.square(self._position - self.target)))
        return math.exp(-0.5 * squared / self._width**2)

    def _observe(self) -> FloatArray:
        return np.concatenate([self._position, self._velocity / self._max_speed])
