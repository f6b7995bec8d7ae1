"""Several environments stepped together, so that one policy call serves them all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import dm_env
import numpy as np
import numpy.typing as npt

from environments.canonical import CanonicalEnvironment, FloatArray, clipped_actions
from environments.errors import EnvironmentFault

_MID = dm_env.StepType.MID
_LAST = dm_env.StepType.LAST

# `next_observation`, `reward`, `discount` and `last` of a `BatchStep`.
_Accepted = tuple[FloatArray, FloatArray, FloatArray, npt.NDArray[np.bool_]]


class BatchStep(NamedTuple):
    """What one step of `N` environments gives. Every array is the caller's to keep.

    Attributes:
        observation: float32 `[N, O]`, what to act on next. Where an episode has ended it is the
            first observation of the next one.
        reward: float32 `[N]`.
        discount: float32 `[N]`, the environment's own: 0 at a termination and only there.
        next_observation: float32 `[N, O]`, what the action led to. Where an episode has ended it
            is that episode's final observation.
        last: bool `[N]`, whether the episode has ended with this step.
        episode_return: float64 `[N]`, the undiscounted sum of the rewards of the episode so far,
            with this step's: where `last`, the return of the episode that has ended.
        episode_length: int64 `[N]`, the number of actions of the episode so far, likewise. An
            action that is repeated counts once.
    """

    observation: FloatArray
    reward: FloatArray
    discount: FloatArray
    next_observation: FloatArray
    last: npt.NDArray[np.bool_]
    episode_return: npt.NDArray[np.float64]
    episode_length: npt.NDArray[np.int64]


class EnvironmentBatch:
    """Steps `N` environments in turn, each starting its next episode as soon as one ends.

    A reset happens inside the step that ends the episode, so every step is a transition. What the
    environments return is checked, and a fault names the environment, the step and the value.
    After a fault (or any other exception) out of `step` or `reset`, call `reset` to go on.
    """

    def __init__(self, environments: Sequence[dm_env.Environment]) -> None:
        """Takes environments with equal specs.

        Args:
            environments: at least one. They are owned from here on: `close` closes them. One that
                is no `CanonicalEnvironment` is made one.

        Raises:
            ValueError: there are none, one is there twice, or their specs differ.
            InvalidEnvironmentError: one of them cannot be made canonical.
        """
        if not environments:
            raise ValueError("An EnvironmentBatch needs at least one environment.")
        if len({id(environment) for environment in environments}) < len(environments):
            raise ValueError("An EnvironmentBatch was given the same environment twice.")
        self._environments = tuple(
            environment
            if isinstance(environment, CanonicalEnvironment)
            else CanonicalEnvironment(environment)
            for environment in environments
        )
        first = self._environments[0]
        for i, environment in enumerate(self._environments):
            for kind in ("observation_spec", "action_spec"):
                expected, found = getattr(first, kind)(), getattr(environment, kind)()
                if found != expected:
                    raise ValueError(
                        "The environments of a batch must have equal specs: "
                        f"{kind} of environment {i} ({environment.name}) is {found}, "
                        f"of environment 0 ({first.name}) {expected}."
                    )
        count = len(self._environments)
        self._observation_shape = (count, *first.observation_spec().shape)
        self._action_shape = (count, *first.action_spec().shape)
        self._name = f"A batch of {count} ({first.name})"
        self._transitions = [environment.transition for environment in self._environments]
        self._equal_bounds = all(
            environment.action_bounds == first.action_bounds for environment in self._environments
        )
        # What `_accept_together` relies on: the same vectors in every environment, either as they
        # are (no keys) or in one mapping.
        self._size = math.prod(self._observation_shape)
        self._ones = np.ones(count, np.float32)
        self._keys: list[Any] | None = None
        self._shapes: list[tuple[int, ...]] | None = None
        if all(environment.leaves == first.leaves for environment in self._environments) and all(
            len(leaf.path) == len(first.leaves[0].path) < 2 and len(leaf.shape) == 1
            for leaf in first.leaves
        ):
            self._shapes = [leaf.shape for leaf in first.leaves] * count
            if first.leaves[0].path:
                self._keys = [leaf.path[0] for leaf in first.leaves]
        self._returns = np.zeros(count, np.float64)
        self._lengths = np.zeros(count, np.int64)
        self._running = False

    def __len__(self) -> int:
        """The number of environments, `N`."""
        return len(self._environments)

    @property
    def environments(self) -> tuple[CanonicalEnvironment, ...]:
        """The environments, in the order of the arrays' rows."""
        return self._environments

    def reset(self) -> FloatArray:
        """Starts an episode in every environment, whatever was running.

        Returns:
            The first observations, float32 `[N, O]`.

        Raises:
            EnvironmentFault: an environment broke its specs, or raised.
        """
        self._running = False
        observation = np.empty(self._observation_shape, np.float32)
        for i in range(len(self._environments)):
            self._reset_row(i, observation)
        self._running = True
        return observation

    def step(self, actions: npt.ArrayLike) -> BatchStep:
        """Applies one action to each environment.

        Args:
            actions: `[N, A]`, finite; clipped to [-1, 1].

        Raises:
            ValueError: the actions have another shape, or are not finite.
            EnvironmentFault: an environment broke its specs, or raised.
            RuntimeError: `reset` has not been called, or not since a step failed.
        """
        if not self._running:
            raise RuntimeError(f"{self._name}: call reset() before step().")
        actions = clipped_actions(actions, self._action_shape, self._name)
        self._running = False

        timesteps: list[dm_env.TimeStep] = []
        try:
            for transition, action in zip(
                self._transitions, self._to_inner_actions(actions), strict=True
            ):
                timesteps.append(transition(action))
        except Exception as error:
            raise self._fault(len(timesteps), error) from error
        accepted = self._accept_together(timesteps)
        if accepted is None:
            accepted = self._accept_one_by_one(timesteps)
        next_observation, reward, discount, last = accepted

        self._returns += reward
        self._lengths += 1
        result = BatchStep(
            next_observation.copy(),
            reward,
            discount,
            next_observation,
            last,
            self._returns.copy(),
            self._lengths.copy(),
        )
        if np.count_nonzero(last):
            for i in np.flatnonzero(last):
                self._reset_row(i, result.observation)
        self._running = True
        return result

    def close(self) -> None:
        """Closes every environment."""
        self._running = False
        for environment in self._environments:
            environment.close()

    def _to_inner_actions(self, actions: FloatArray) -> Iterable[npt.NDArray[Any]]:
        if self._equal_bounds:
            return self._environments[0].to_inner_actions(actions)
        return [
            environment.to_inner_actions(action)
            for environment, action in zip(self._environments, actions, strict=True)
        ]

    def _accept_together(self, timesteps: list[dm_env.TimeStep]) -> _Accepted | None:
        """Does what `_accept_one_by_one` does with a few calls for the whole batch.

        Returns:
            None if anything at all is unusual, good or bad; nothing is told apart here.
        """
        if self._shapes is None:
            return None
        count = len(timesteps)
        try:
            step_types, rewards, discounts, observations = zip(*timesteps, strict=True)
            last = np.zeros(count, np.bool_)
            if step_types.count(_MID) < count:
                last[:] = [step_type is _LAST for step_type in step_types]
                if step_types.count(_MID) + np.count_nonzero(last) < count:
                    return None
            if discounts.count(1.0) == count:
                discount = self._ones.copy()
            else:
                discount = np.array(discounts, np.float32)
                # A comparison with NaN is false.
                if not (discount.min() >= 0 and discount.max() <= 1):
                    return None
            parts: list[Any]
            if self._keys is None:
                parts = list(observations)
            else:
                parts = [observation[key] for observation in observations for key in self._keys]
            if [part.shape for part in parts] != self._shapes:
                return None
            # One array for both, so that both are converted and checked at once.
            parts.append(np.array(rewards, np.float32))
            values = np.empty(self._size + count, np.float32)
            np.concatenate(parts, out=values, casting="same_kind")
        except (AttributeError, LookupError, TypeError, ValueError):
            return None
        if not np.isfinite(values).all():
            return None
        next_observation = values[: self._size].reshape(self._observation_shape)
        return next_observation, values[self._size :], discount, last

    def _accept_one_by_one(self, timesteps: list[dm_env.TimeStep]) -> _Accepted:
        count = len(timesteps)
        next_observation = np.empty(self._observation_shape, np.float32)
        reward = np.empty(count, np.float32)
        discount = np.empty(count, np.float32)
        last = np.empty(count, np.bool_)
        for i, environment in enumerate(self._environments):
            try:
                reward[i], discount[i], last[i] = environment.accept(
                    timesteps[i], next_observation[i]
                )
            except Exception as error:
                raise self._fault(i, error) from error
        return next_observation, reward, discount, last

    def _reset_row(self, i: int, observation: FloatArray) -> None:
        self._returns[i] = 0
        self._lengths[i] = -1  # A fault is then told to be at the reset.
        try:
            self._environments[i].reset_into(observation[i])
        except Exception as error:
            raise self._fault(i, error) from error
        self._lengths[i] = 0

    def _fault(self, i: int, error: Exception) -> EnvironmentFault:
        fault = self._environments[i].fault(error, int(self._lengths[i]) + 1)
        return EnvironmentFault(f"Environment {i}: {fault}")
