"""Steps several environments together, so that they share one policy call."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import dm_env
import numpy as np
import numpy.typing as npt

from quinoa.environments.action_map import ActionMap
from quinoa.environments.batch_step import BatchStep
from quinoa.environments.canonical import CanonicalEnvironment, Observations
from quinoa.environments.errors import EnvironmentFault, FaultKind
from quinoa.environments.fault_rate import FaultRate
from quinoa.environments.timestep_checks import Defect
from quinoa.environments.vectorized_checks import Accepted, VectorizedChecks


class EnvironmentBatch:
    """Steps `N` environments in turn; each starts its next episode as soon as one ends.

    A reset happens inside the step that ends the episode, so every step is a transition. Everything
    that the environments return is checked. If an environment violates its specs or raises, its
    episode is dropped, which the step reports, and its next one is started; the other environments
    are not affected. If a reset fails, the environment is replaced by a new one. More such faults
    than `fault_rate` allows are an error. After `step` or `reset` has raised, call `reset`.
    """

    def __init__(
        self,
        environments: Sequence[dm_env.Environment],
        *,
        make: Callable[[], dm_env.Environment] | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        """Takes environments with equal specs.

        Args:
            environments: at least one. `close` closes them. Those that are no
                `CanonicalEnvironment` are wrapped in one.
            make: makes an environment to replace one that cannot be reset; without it, a failed
                reset is an error.
            max_episode_steps: the number of actions after which an episode is truncated: that step
                is `last`, but keeps its discount. None is no limit.

        Raises:
            ValueError: there are no environments, one is given twice, their specs differ, or the
                limit is below 1.
            InvalidEnvironmentError: an environment cannot be made canonical.
        """
        if max_episode_steps is not None and max_episode_steps < 1:
            raise ValueError(f"max_episode_steps must be at least 1, not {max_episode_steps}.")
        if not environments:
            raise ValueError("An EnvironmentBatch needs at least one environment.")
        if len({id(environment) for environment in environments}) < len(environments):
            raise ValueError("An EnvironmentBatch was given the same environment twice.")
        self._environments = [_canonical(environment) for environment in environments]
        self._make = make
        self._fault_rate = FaultRate()
        self._faults: list[EnvironmentFault] = []
        self._limit: float = math.inf if max_episode_steps is None else max_episode_steps
        # The fewest steps after which an episode can reach the limit: counting down one number is
        # cheaper than comparing all lengths at each step.
        self._until_limit = self._limit
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
        self._observation_dtype = first.observation_spec().dtype
        self._name = f"A batch of {count} ({first.name})"
        self._transitions = [environment.transition for environment in self._environments]
        self._action_map = first.action_map
        self._equal_bounds = all(
            environment.action_map.key == first.action_map.key for environment in self._environments
        )
        self._checks = VectorizedChecks(self._environments)
        self._returns = np.zeros(count, np.float64)
        self._lengths = np.zeros(count, np.int64)
        self._running = False

    def __len__(self) -> int:
        """The number of environments, `N`."""
        return len(self._environments)

    @property
    def environments(self) -> tuple[CanonicalEnvironment, ...]:
        """The environments, in the order of the arrays' rows."""
        return tuple(self._environments)

    def reset(self) -> Observations:
        """Starts an episode in every environment, dropping the running ones.

        Returns:
            The first observations, float32 `[N, O]`, or uint8 `[N, H, W, C]` of images.

        Raises:
            EnvironmentFault: an environment violated its specs or raised and could not be replaced,
                or there were too many faults (`TooManyFaultsError`).
        """
        self._running = False
        observation = np.empty(self._observation_shape, self._observation_dtype)
        for i in range(len(self._environments)):
            self._start_episode(i, observation)
        self._until_limit = self._limit
        self._running = True
        return observation

    def step(self, actions: npt.ArrayLike) -> BatchStep:
        """Applies one action to each environment.

        Args:
            actions: `[N, A]`; clipped to [-1, 1]. An action that is not finite is a fault, and its
                environment is not stepped. Of a finite set, integers `[N]`; of K choices, `[N, K]`.

        Raises:
            ValueError: the actions have another shape, or one is not of the finite set.
            EnvironmentFault: as in `reset`.
            RuntimeError: `reset` has not been called, or not since a step failed.
        """
        if not self._running:
            raise RuntimeError(f"{self._name}: call reset() before step().")
        # The faults of this step, by row.
        dropped: dict[int, EnvironmentFault] = {}
        actions = self._checked_actions(actions, dropped)
        self._running = False

        timesteps = self._transition_each(self._to_inner_actions(actions), dropped)
        accepted = None if dropped else self._checks(timesteps)
        if accepted is None:
            accepted = self._accept_one_by_one(timesteps, dropped)
        next_observation, reward, discount, last = accepted

        self._returns += reward
        self._lengths += 1
        self._until_limit -= 1
        truncated: tuple[int, ...] = ()
        if self._until_limit <= 0:
            truncated = self._truncate(last, dropped)
        result = BatchStep(
            next_observation.copy(),
            reward,
            discount,
            next_observation,
            last,
            self._returns.copy(),
            self._lengths.copy(),
        )
        ended = np.count_nonzero(last)
        if ended:
            self._fault_rate.add_ended(ended)
            for i in np.flatnonzero(last):
                self._start_episode(i, result.observation)
        if dropped:
            result = self._drop(dropped, result)
        if truncated or self._faults:
            result = result._replace(truncated=truncated, faults=tuple(self._faults))
            self._faults.clear()
        self._running = True
        return result

    def close(self) -> None:
        """Closes every environment; errors are logged (see `CanonicalEnvironment.close`)."""
        self._running = False
        for environment in self._environments:
            environment.close()

    def _checked_actions(
        self, actions: npt.ArrayLike, dropped: dict[int, EnvironmentFault]
    ) -> npt.NDArray[Any]:
        """Clips actions; one that is not finite is replaced by zeros and added to the faults."""
        leading = (len(self._environments),)
        try:
            return self._action_map.checked(actions, leading, self._name)
        except ValueError:
            given = np.array(actions, np.float32)
            shape = self._environments[0].action_spec().shape
            if given.shape != (*leading, *shape) or not isinstance(self._action_map, ActionMap):
                raise
        finite = np.isfinite(given)
        for i in np.flatnonzero(~finite.all(axis=1)):
            index = int(np.argmin(finite[i]))
            message = f"the policy's action[{index}] is {given[i, index]}, not a finite float32"
            dropped[int(i)] = self._fault(i, Defect(message, FaultKind.ACTION))
            given[i] = 0.0
        return self._action_map.checked(given, leading, self._name)

    def _to_inner_actions(self, actions: npt.NDArray[Any]) -> Sequence[npt.NDArray[Any]]:
        if self._equal_bounds:
            return self._action_map(actions)  # type: ignore[return-value]
        return [
            environment.action_map(action)
            for environment, action in zip(self._environments, actions, strict=True)
        ]

    def _transition_each(
        self, actions: Sequence[npt.NDArray[Any]], dropped: dict[int, EnvironmentFault]
    ) -> list[dm_env.TimeStep | None]:
        """Steps the environments that are not dropped, and drops those that raise.

        Returns:
            The time steps, None for a dropped environment.
        """
        timesteps: list[dm_env.TimeStep | None] = []
        if not dropped:
            try:
                for transition, action in zip(self._transitions, actions, strict=True):
                    timesteps.append(transition(action))
                return timesteps
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                dropped[len(timesteps)] = self._fault(len(timesteps), error)
        for i in range(len(timesteps), len(self._transitions)):
            timesteps.append(None)
            if i in dropped:
                continue
            try:
                timesteps[i] = self._transitions[i](actions[i])
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                dropped[i] = self._fault(i, error)
        return timesteps

    def _accept_one_by_one(
        self,
        timesteps: Sequence[dm_env.TimeStep | None],
        dropped: dict[int, EnvironmentFault],
    ) -> Accepted:
        """Checks the time steps one by one, and drops environments that violated their specs.

        The rows of dropped environments are zeros.
        """
        count = len(timesteps)
        next_observation = np.zeros(self._observation_shape, self._observation_dtype)
        reward = np.zeros(count, np.float32)
        discount = np.zeros(count, np.float32)
        last = np.zeros(count, np.bool_)
        for i, environment in enumerate(self._environments):
            if i in dropped:
                continue
            try:
                reward[i], discount[i], last[i] = environment.accept(
                    timesteps[i], next_observation[i]
                )
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                dropped[i] = self._fault(i, error)
                next_observation[i] = 0
        return next_observation, reward, discount, last

    def _truncate(
        self, last: npt.NDArray[np.bool_], dropped: dict[int, EnvironmentFault]
    ) -> tuple[int, ...]:
        """Ends the episodes that have reached the limit; returns their rows."""
        is_running = ~last
        is_running[list(dropped)] = False
        truncated = is_running & (self._lengths >= self._limit)
        last |= truncated
        is_running &= ~truncated
        self._until_limit = self._limit - int(np.max(self._lengths, where=is_running, initial=0))
        return tuple(np.flatnonzero(truncated).tolist())

    def _drop(self, dropped: dict[int, EnvironmentFault], step: BatchStep) -> BatchStep:
        """Starts the next episodes of the dropped rows, and marks the rows as invalid."""
        valid = np.ones(len(self._environments), np.bool_)
        for i, fault in sorted(dropped.items()):
            valid[i] = False
            self._count(fault)
            self._start_episode(i, step.observation)
        return step._replace(valid=valid)

    def _start_episode(self, i: int, observation: Observations) -> None:
        """Resets an environment, or replaces it if that fails, and writes the row's observation."""
        try:
            self._reset_row(i, observation)
        except EnvironmentFault as fault:
            self._count(fault)
            if self._make is None:
                raise
            self._replace(i, self._make)
            self._reset_row(i, observation)

    def _replace(self, i: int, make: Callable[[], dm_env.Environment]) -> None:
        """Replaces an environment that cannot be reset by a new one."""
        old = self._environments[i]
        old.close()
        try:
            new = _canonical(make())
            if not _alike(new, old):
                new.close()
                raise Defect("what was made in its place has other specs")
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise self._fault(i, error) from error
        self._environments[i], self._transitions[i] = new, new.transition

    def _reset_row(self, i: int, observation: Observations) -> None:
        self._returns[i] = 0
        self._lengths[i] = -1  # So that a fault is reported as one of the reset.
        try:
            self._environments[i].reset_into(observation[i])
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise self._fault(i, error) from error
        self._lengths[i] = 0

    def _count(self, fault: EnvironmentFault) -> None:
        self._faults.append(fault)
        self._fault_rate.add_fault(fault)

    def _fault(self, i: int, error: BaseException) -> EnvironmentFault:
        fault = self._environments[i].fault(error, int(self._lengths[i]) + 1)
        named = EnvironmentFault(f"Environment {i}: {fault}", fault.kind)
        named.__cause__ = error
        return named


def _canonical(environment: dm_env.Environment) -> CanonicalEnvironment:
    if isinstance(environment, CanonicalEnvironment):
        return environment
    return CanonicalEnvironment(environment)


def _alike(one: CanonicalEnvironment, other: CanonicalEnvironment) -> bool:
    """Whether one can replace the other in a batch."""
    return (
        one.observation_spec() == other.observation_spec()
        and one.action_spec() == other.action_spec()
        and one.action_map.key == other.action_map.key
        and one.leaves == other.leaves
    )
