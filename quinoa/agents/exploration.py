"""Noise with a memory that an actor adds to its policy's actions, one for each environment.

A policy draws each action from what it sees alone. Noise that is correlated in time is no part of
it: the actor keeps the noise's state, adds the noise to what the policy gives, and starts the noise
again with each episode. Evaluations have none of it. An agent asks for it by
`LearnerConfig.exploration`. What the policy itself draws with may be correlated in time too
(`LearnerConfig.sampling`, `quinoa.agents.pink_noise`).
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from quinoa.agents.noise import OrnsteinUhlenbeckNoise

    FloatArray = npt.NDArray[np.float32]


# What a policy draws the actions of successive steps with: noise that is new in each step, or noise
# that varies slowly, see `quinoa.agents.pink_noise`.
ActionNoise: TypeAlias = Literal["white", "pink"]


class Noise(Protocol):
    """The noise of one actor, with its state."""

    def add(self, action: FloatArray) -> FloatArray:
        """Moves the noise by one step, and adds it to actions.

        Args:
            action: float32 [N, A], within [-1, 1].

        Returns:
            Another array of float32 [N, A], within [-1, 1].
        """

    def restart(self, ended: npt.NDArray[np.bool_]) -> None:
        """Starts the noise of some environments again.

        Args:
            ended: bool [N], where an episode has ended.
        """


class Exploration(Protocol):
    """How the actors of an agent explore, as a configuration says it."""

    def start(self, shape: tuple[int, ...], *, seed: int) -> Noise:
        """Makes the noise of one actor.

        Args:
            shape: [N, A], of the actions of its N environments.
            seed: all that is random follows from it.
        """


@dataclasses.dataclass(frozen=True)
class OrnsteinUhlenbeck:
    """Uhlenbeck and Ornstein's (1930) process: x ← x − θ x + σ ε, ε ~ N(0, 1), from x = 0.

    It is that of Lillicrap et al. (2016), section 7, in steps of time 1. Its correlation over n
    steps is (1 − θ)ⁿ; θ = 1 is white noise.

    Attributes:
        theta: θ, in (0, 1].
        sigma: σ, at least 0.
    """

    theta: float
    sigma: float

    @property
    def stddev(self) -> float:
        """What its deviation goes to, σ / √(θ (2 − θ))."""
        return self.sigma / math.sqrt(self.theta * (2.0 - self.theta))

    def start(self, shape: tuple[int, ...], *, seed: int) -> OrnsteinUhlenbeckNoise:
        """See `Exploration`."""
        # It needs NumPy, which configurations do without.
        from quinoa.agents.noise import OrnsteinUhlenbeckNoise

        return OrnsteinUhlenbeckNoise(self.theta, self.sigma, shape, seed)
