"""Several environments stepped together, so that one policy call serves them all."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import dm_env
import numpy as np
import numpy.typing as npt

from quinoa.environments.canonical import CanonicalEnvironment, Defect, FloatArray, clipped_actions
from quinoa.environments.errors import EnvironmentFault, FaultKind
from quinoa.environments.fault_rate import FaultRate

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
        valid: bool `[N]`, False where the episode came to grief with this step: it is dropped,
            `observation` is the first one of the next, and the rest of the row means nothing (but
            that it is finite). None where every row is a transition, as nearly always.
        truncated: the rows whose episodes were ended by the batch's own limit.
        faults: what befell the environments since the step before: at this step, and where they
            were reset. Each has cost an episode.
    """

    observation: FloatArray
    reward: FloatArray
    discount: FloatArray
    next_observation: FloatArray
    last: npt.NDArray[np.bool_]
    episode_return: npt.NDArray[np.float64]
    episode_length: npt.NDArray[np.int64]
    valid: npt.NDArray[np.bool_] | None = None
    truncated: tuple[int, ...] = ()
    faults: tuple[EnvironmentFault, ...] = ()


class EnvironmentBatch:
    """Steps `N` environments in turn, each starting its next episode as soon as one ends.

    A reset happens inside the step that ends the episode, so every step is a transition. What the
    environments return is checked. An environment that breaks its specs or raises loses its
    episode, which the step reports; it starts the next one, and the others go on. Where even a
    reset fails, another environment is made in its place. More such faults than `fault_rate`
    allows are an error. After an exception out of `step` or `reset`, call `reset` to go on.
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
            environments: at least one. They are owned from here on: `close` closes them. One that
                is no `CanonicalEnvironment` is made one.
            make: makes an environment in place of one that cannot be reset. With None, that is an
                error at once.
            max_episode_steps: actions after which an episode is cut off: its step is `last`, but
                keeps its discount, for it might have gone on. None is never.

        Raises:
            ValueError: there are none, one is there twice, their specs differ, or the limit is
                below 1.
            InvalidEnvironmentError: one of them cannot be made canonical.
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
        # Steps until an episode can be that long, at the earliest: a step counts down one number
        # rather than look at them all.
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
        self._action_shape = (count, *first.action_spec().shape)
        self._name = f"A batch of {count} ({first.name})"
        self._transitions = [environment.transition for environment in self._environments]
        self._equal_bounds = all(
            environment.action_map.key == first.action_map.key for environment in self._environments
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
        return tuple(self._environments)

    def reset(self) -> FloatArray:
        """Starts an episode in every environment, whatever was running.

        Returns:
            The first observations, float32 `[N, O]`.

        Raises:
            EnvironmentFault: an environment broke its specs, or raised, and none could be made in
                its place, or there were too many faults (`TooManyFaultsError`).
        """
        self._running = False
        observation = np.empty(self._observation_shape, np.float32)
        for i in range(len(self._environments)):
            self._start_episode(i, observation)
        self._until_limit = self._limit
        self._running = True
        return observation

    def step(self, actions: npt.ArrayLike) -> BatchStep:
        """Applies one action to each environment.

        Args:
            actions: `[N, A]`; clipped to [-1, 1]. One that is not finite is a fault: its
                environment is not stepped with it.

        Raises:
            ValueError: the actions have another shape.
            EnvironmentFault: as in `reset`.
            RuntimeError: `reset` has not been called, or not since a step failed.
        """
        if not self._running:
            raise RuntimeError(f"{self._name}: call reset() before step().")
        # By row, what is wrong with this step.
        dropped: dict[int, EnvironmentFault] = {}
        actions = self._checked_actions(actions, dropped)
        self._running = False

        timesteps = self._transition_each(self._to_inner_actions(actions), dropped)
        accepted = None if dropped else self._accept_together(timesteps)
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
            self._fault_rate.ended(ended)
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
        """Closes every environment, whatever comes of that (see `CanonicalEnvironment.close`)."""
        self._running = False
        for environment in self._environments:
            environment.close()

    def _checked_actions(
        self, actions: npt.ArrayLike, dropped: dict[int, EnvironmentFault]
    ) -> FloatArray:
        """Clips actions; one that is not finite becomes zeros, and is among the faults."""
        try:
            return clipped_actions(actions, self._action_shape, self._name)
        except ValueError:
            given = np.array(actions, np.float32)
            if given.shape != self._action_shape:
                raise
        finite = np.isfinite(given)
        for i in np.flatnonzero(~finite.all(axis=1)):
            index = int(np.argmin(finite[i]))
            message = f"the policy's action[{index}] is {given[i, index]}, not a finite float32"
            dropped[int(i)] = self._fault(i, Defect(message, FaultKind.ACTION))
            given[i] = 0.0
        return clipped_actions(given, self._action_shape, self._name)

    def _to_inner_actions(self, actions: FloatArray) -> Sequence[npt.NDArray[Any]]:
        if self._equal_bounds:
            return self._environments[0].action_map(actions)  # type: ignore[return-value]
        return [
            environment.action_map(action)
            for environment, action in zip(self._environments, actions, strict=True)
        ]

    def _transition_each(
        self, actions: Sequence[npt.NDArray[Any]], dropped: dict[int, EnvironmentFault]
    ) -> list[dm_env.TimeStep | None]:
        """Steps the environments that are not dropped; None in place of a step that there is not.

        Those that raise are dropped.
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

    def _accept_together(self, timesteps: list[dm_env.TimeStep | None]) -> _Accepted | None:
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
                last[:] = [step_type == _LAST for step_type in step_types]
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

    def _accept_one_by_one(
        self,
        timesteps: Sequence[dm_env.TimeStep | None],
        dropped: dict[int, EnvironmentFault],
    ) -> _Accepted:
        """Checks what the environments returned; those that broke their specs are dropped.

        The rows of those dropped are zeros.
        """
        count = len(timesteps)
        next_observation = np.zeros(self._observation_shape, np.float32)
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
                next_observation[i] = 0.0
        return next_observation, reward, discount, last

    def _truncate(
        self, last: npt.NDArray[np.bool_], dropped: dict[int, EnvironmentFault]
    ) -> tuple[int, ...]:
        """Ends the episodes that are as long as they may be; returns their rows."""
        goes_on = ~last
        goes_on[list(dropped)] = False
        truncated = goes_on & (self._lengths >= self._limit)
        last |= truncated
        goes_on &= ~truncated
        self._until_limit = self._limit - int(np.max(self._lengths, where=goes_on, initial=0))
        return tuple(np.flatnonzero(truncated).tolist())

    def _drop(self, dropped: dict[int, EnvironmentFault], step: BatchStep) -> BatchStep:
        """Starts the next episodes of the dropped rows, and marks them."""
        valid = np.ones(len(self._environments), np.bool_)
        for i, fault in sorted(dropped.items()):
            valid[i] = False
            self._count(fault)
            self._start_episode(i, step.observation)
        return step._replace(valid=valid)

    def _start_episode(self, i: int, observation: FloatArray) -> None:
        """Resets an environment, or one that is made in its place, and writes into its row."""
        try:
            self._reset_row(i, observation)
        except EnvironmentFault as fault:
            self._count(fault)
            if self._make is None:
                raise
            self._replace(i, self._make)
            self._reset_row(i, observation)

    def _replace(self, i: int, make: Callable[[], dm_env.Environment]) -> None:
        """Makes another environment in the place of one that cannot go on."""
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

    def _reset_row(self, i: int, observation: FloatArray) -> None:
        self._returns[i] = 0
        self._lengths[i] = -1  # A fault is then told to be at the reset.
        try:
            self._environments[i].reset_into(observation[i])
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise self._fault(i, error) from error
        self._lengths[i] = 0

    def _count(self, fault: EnvironmentFault) -> None:
        self._faults.append(fault)
        self._fault_rate.faulted(fault)

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
    """Whether one can stand in a batch where the other stood."""
    return (
        one.observation_spec() == other.observation_spec()
        and one.action_spec() == other.action_spec()
        and one.action_map.key == other.action_map.key
        and one.leaves == other.leaves
    )
