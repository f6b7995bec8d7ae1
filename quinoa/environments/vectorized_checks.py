"""Checks of the time steps of a whole batch by a few NumPy calls, for the usual case.

Checking environment by environment would take a large part of an actor's time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import dm_env
import numpy as np
import numpy.typing as npt

from quinoa.environments.batch_step import FloatArray, Observations
from quinoa.environments.canonical import CanonicalEnvironment

_MID = dm_env.StepType.MID
_LAST = dm_env.StepType.LAST

# `next_observation`, `reward`, `discount` and `last` of a `BatchStep`.
Accepted = tuple[Observations, FloatArray, FloatArray, npt.NDArray[np.bool_]]


class VectorizedChecks:
    """Checks and flattens the time steps of a batch, if nothing about them is unusual.

    This needs the same vectors in every environment's observation, which is either one array or one
    flat mapping, or images.
    """

    def __init__(self, environments: Sequence[CanonicalEnvironment]) -> None:
        """Takes the batch's environments, whose specs are equal."""
        first, count = environments[0], len(environments)
        self._observation_shape = (count, *first.observation_spec().shape)
        self._size = math.prod(self._observation_shape)
        self._ones = np.ones(count, np.float32)
        self._keys: list[Any] | None = None
        self._shapes: list[tuple[int, ...]] | None = None
        self._is_image = first.observation_spec().dtype == np.uint8
        if all(environment.leaves == first.leaves for environment in environments) and all(
            len(leaf.path) == len(first.leaves[0].path) < 2
            and (len(leaf.shape) == 1 or self._is_image)
            for leaf in first.leaves
        ):
            self._shapes = [leaf.shape for leaf in first.leaves] * count
            if first.leaves[0].path:
                self._keys = [leaf.path[0] for leaf in first.leaves]

    def __call__(self, timesteps: Sequence[dm_env.TimeStep | None]) -> Accepted | None:
        """Checks the time steps and flattens their observations.

        Returns:
            None if anything is unusual, whether it is invalid or just needs slower checks.
        """
        if self._shapes is None:
            return None
        count = len(timesteps)
        try:
            step_types, rewards, discounts, observations = zip(*timesteps, strict=True)
            last = np.zeros(count, np.bool_)
            if step_types.count(_MID) < count:
                last[:] = [step_type == _LAST for step_type in step_types]
                if step_types.count(_MID) + np.count_nonzero(last) < count:
                    return None
            if discounts.count(1.0) == count:
                discount = self._ones.copy()
            else:
                discount = np.array(discounts, np.float32)
                # Comparisons with NaN are false.
                if not (discount.min() >= 0 and discount.max() <= 1):
                    return None
            parts: list[Any]
            if self._keys is None:
                parts = list(observations)
            else:
                parts = [observation[key] for observation in observations for key in self._keys]
            if [part.shape for part in parts] != self._shapes:
                return None
            if self._is_image:
                return self._images(parts, rewards, discount, last)
            # Observations and rewards in one array, which is converted and checked at once.
            parts.append(np.array(rewards, np.float32))
            values = np.empty(self._size + count, np.float32)
            np.concatenate(parts, out=values, casting="same_kind")
        except (AttributeError, LookupError, TypeError, ValueError):
            return None
        if not np.isfinite(values).all():
            return None
        next_observation = values[: self._size].reshape(self._observation_shape)
        return next_observation, values[self._size :], discount, last

    def _images(
        self,
        parts: Sequence[npt.NDArray[Any]],
        rewards: Sequence[Any],
        discount: FloatArray,
        last: npt.NDArray[np.bool_],
    ) -> Accepted | None:
        """The same where observations are images; raises `TypeError` if one is not of uint8."""
        reward = np.array(rewards, np.float32)
        if reward.shape != last.shape or not np.isfinite(reward).all():
            return None
        next_observation = np.empty(self._observation_shape, np.uint8)
        height, *others = parts[0].shape
        joined = next_observation.reshape(len(parts) * height, *others)
        np.concatenate(parts, out=joined, casting="no")
        return next_observation, reward, discount, last
