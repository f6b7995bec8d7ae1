"""Random numbers that vary slowly from one step of an actor to the next: pink noise.

Eberhard, Hollenstein, Pinneri & Martius (2023), "Pink Noise Is All You Need: Colored Noise
Exploration in Deep Reinforcement Learning", section 3: what a stochastic policy draws its actions
with is correlated in time, and each action for itself is distributed as the policy says.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

# Added to the seed, so that the numbers are not those of white noise from the same seed.
_STREAM = 0x919

# The steps after which each of the processes is correlated with itself by 1/e. Of equal variances
# and a factor apart, their sum's power falls with the frequency f as 1/f, down to 1 in some 1600
# steps (2 π times the last one), where episodes of 1000 steps end.
TIMES = (1.0, 4.0, 16.0, 64.0, 256.0)


class PinkNoise:
    """What a policy of `quinoa.agents.policies.standalone` draws with in place of a generator.

    The authors make the noise of a whole episode by a Fourier transform. Here it is a sum of
    first-order processes, x ← k x + √(1 − k²) ε with k = exp(−1/T), which goes on for ever, across
    the ends of episodes: all of it is known from five numbers for each number drawn.

    The numbers of the n-th call of a step are one series; so a policy calls for the same in the
    same order in every step.
    """

    def __init__(self, seed: int):
        """Starts with numbers that are independent of one another; all follows from the seed."""
        self._rng = np.random.default_rng([seed, _STREAM])
        keep = np.exp(-1.0 / np.array(TIMES))
        self._keep, self._add = keep, np.sqrt(1.0 - np.square(keep))
        self._series: list[npt.NDArray[np.float64]] = []
        self._num_calls = 0

    def begin_step(self) -> None:
        """Says that the next call is the first of a step."""
        self._num_calls = 0

    def standard_normal(
        self, size: tuple[int, ...], dtype: npt.DTypeLike = np.float64
    ) -> npt.NDArray[Any]:
        """Numbers of a normal distribution, each step's for themselves; as `Generator`'s.

        Raises:
            ValueError: the same call of an earlier step had another size.
        """
        noise = self._rng.standard_normal((len(TIMES), *size))
        if self._num_calls == len(self._series):
            self._series.append(noise)
        series = self._series[self._num_calls]
        if series is not noise:
            if series.shape != noise.shape:
                raise ValueError(
                    f"A policy that acts with pink noise draws as many numbers in every step: "
                    f"{series.shape[1:]}, and now {size}."
                )
            factors = (len(TIMES), *[1] * len(size))
            series *= self._keep.reshape(factors)
            series += self._add.reshape(factors) * noise
        self._num_calls += 1
        total: npt.NDArray[np.float64] = np.add.reduce(series, axis=0)
        return (total / math.sqrt(len(TIMES))).astype(dtype, copy=False)

    def random(
        self, size: int | tuple[int, ...], dtype: npt.DTypeLike = np.float64
    ) -> npt.NDArray[Any]:
        """Numbers of a uniform distribution on [0, 1): those normal ones by their distribution."""
        # Actors of other policies need not import it.
        from scipy.special import ndtr

        shape = (size,) if isinstance(size, int) else size
        uniform = ndtr(self.standard_normal(shape)).astype(dtype, copy=False)
        # Rounding must not give 1, as a generator's never do.
        return np.minimum(uniform, np.nextafter(np.array(1, dtype), np.array(0, dtype)))

    def integers(self, high: int, size: int | tuple[int, ...]) -> npt.NDArray[np.int64]:
        """Integers from 0, below `high`, each as likely as the others."""
        return (self.random(size) * high).astype(np.int64)
