"""The state of an Ornstein-Uhlenbeck process, as an actor keeps it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

# Added to the seed, so that the noise is not what a policy draws from the same seed.
_STREAM = 0x0E


class OrnsteinUhlenbeckNoise:
    """The process in each dimension of the actions of N environments."""

    def __init__(self, theta: float, sigma: float, shape: tuple[int, ...], seed: int):
        """Starts at 0.

        Args:
            theta: θ; see `quinoa.agents.exploration.OrnsteinUhlenbeck`.
            sigma: σ.
            shape: [N, A].
            seed: all that is random follows from it.
        """
        self._keep, self._sigma = np.float32(1.0 - theta), np.float32(sigma)
        self._rng = np.random.default_rng([seed, _STREAM])
        self._x: FloatArray = np.zeros(shape, np.float32)

    def add(self, action: FloatArray) -> FloatArray:
        """See `quinoa.agents.exploration.Noise`; what leaves the box is clipped to it."""
        self._x *= self._keep
        self._x += self._sigma * self._rng.standard_normal(self._x.shape, np.float32)
        moved: FloatArray = action + self._x
        return np.clip(moved, np.float32(-1.0), np.float32(1.0), out=moved)

    def restart(self, ended: npt.NDArray[np.bool_]) -> None:
        """See `quinoa.agents.exploration.Noise`."""
        self._x[ended] = 0.0
