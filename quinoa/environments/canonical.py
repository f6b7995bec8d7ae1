"""One form for all environments: vectors or images, actions in [-1, 1] or from finite sets.

Agents, replay and evaluation are written for this form, so all differences between suites (nested
observations, action ranges, dtypes, how an episode ends) are resolved here.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

import dm_env
import numpy as np
import numpy.typing as npt
from dm_env import specs

from quinoa.environments.action_map import AnyActionMap, action_map_of
from quinoa.environments.errors import EnvironmentFault, FaultKind, InvalidEnvironmentError
from quinoa.environments.spec_checks import (
    Leaf,
    check_scalar,
    checked_action_spec,
    checked_leaves,
    structure_mismatch,
)
from quinoa.environments.timestep_checks import Defect, checked_timestep, unpacked
from quinoa.environments.user_code import described, shortened

FloatArray = npt.NDArray[np.float32]
# Float32, or uint8 of images.
Observations = npt.NDArray[Any]

# Looked up once: members of an enumeration are slow to access, and this is done at every step.
_FIRST = dm_env.StepType.FIRST
_MID = dm_env.StepType.MID
_LAST = dm_env.StepType.LAST

_LOG = logging.getLogger(__name__)

# The names of environments whose failing close() has been logged.
_logged: set[str] = set()


class CanonicalEnvironment(dm_env.Environment):
    """A `dm_env.Environment` in canonical form.

    * Observation: one float32 vector `[O]`. A nested observation (mappings, lists and tuples of
      arrays) is flattened in the order of its spec; a scalar becomes one element. Where it is one
      array of uint8, [H, W, C] or [H, W], it is an image, and stays uint8 `[H, W, C]`.
    * Action: float32 `[A]` in [-1, 1], mapped affinely to the bounds of the inner environment.
      Values outside are clipped. Where the inner environment takes one of n integers: int32 `[]`
      from 0 to n − 1; others are refused. Where it takes an array of K integers: int32 `[K]`, each
      a choice from 0 on.
    * Reward and discount: float32 scalars, the discount in [0, 1]. Both are those of the inner
      environment: by dm_env's convention a termination is a `LAST` step with discount 0, a time
      limit a `LAST` step with discount 1.
    * With `action_repeat` above 1, an action is applied that many times, or until the episode ends.
      The rewards are summed and the discounts multiplied.

    Everything that the inner environment returns is checked at every step, so that no invalid value
    reaches replay. Returned arrays belong to the caller and are never written to again. Wrapping a
    canonical environment again changes nothing.
    """

    def __init__(
        self,
        environment: dm_env.Environment,
        *,
        name: str | None = None,
        action_repeat: int = 1,
    ) -> None:
        """Wraps an environment after checking its specs.

        Args:
            environment: the inner environment, which `close` closes.
            name: its name in error messages; by default its own if canonical, else its class's.
            action_repeat: how many inner steps one step makes, at least 1.

        Raises:
            InvalidEnvironmentError: it is not an environment, or its specs are not supported.
            ValueError: `action_repeat` is not a positive integer.
        """
        check_action_repeat(action_repeat)
        if name is None:
            name = (
                environment.name
                if isinstance(environment, CanonicalEnvironment)
                else type(environment).__name__
            )
        if not isinstance(environment, dm_env.Environment):
            raise InvalidEnvironmentError(
                f"{name} is of type {type(environment).__name__}, not a dm_env.Environment."
            )
        self._inner = environment
        self._name = name
        self._action_repeat = action_repeat
        self._transition = environment.step if action_repeat == 1 else self._repeated_step

        action_spec = checked_action_spec(name, environment.action_spec())
        self._action_map = action_map_of(action_spec)

        self._inner_observation_spec = environment.observation_spec()
        self._leaves, self._observation_spec = checked_leaves(name, self._inner_observation_spec)
        is_image = self._observation_spec.dtype == np.uint8
        self._write = self._write_image if is_image else self._write_vector
        check_scalar(name, "reward", environment.reward_spec())
        check_scalar(name, "discount", environment.discount_spec())

        self._action_spec = self._action_map.spec
        self._reward_spec = specs.Array((), np.float32, name="reward")
        self._discount_spec = specs.BoundedArray(
            (), np.float32, minimum=0.0, maximum=1.0, name="discount"
        )

        self._episode_step = 0
        self._needs_reset = True

    @property
    def name(self) -> str:
        """The environment's name in error messages."""
        return self._name

    @property
    def inner(self) -> dm_env.Environment:
        """The environment that this one wraps."""
        return self._inner

    @property
    def action_repeat(self) -> int:
        """How many inner steps one step makes."""
        return self._action_repeat

    def observation_spec(self) -> specs.Array:
        """Float32 `[O]`; or of images, a `BoundedArray` uint8 `[H, W, C]`, from 0 on."""
        return self._observation_spec

    def action_spec(self) -> specs.BoundedArray:
        """Float32 `[A]` in [-1, 1]; a `DiscreteArray`, int32 `[]`; or int32 `[K]` of choices."""
        return self._action_spec

    def reward_spec(self) -> specs.Array:
        """A float32 scalar."""
        return self._reward_spec

    def discount_spec(self) -> specs.BoundedArray:
        """A float32 scalar in [0, 1]."""
        return self._discount_spec

    def reset(self) -> dm_env.TimeStep:
        """Starts an episode.

        Raises:
            EnvironmentFault: the inner environment broke its specs, or raised.
        """
        self._needs_reset = True
        self._episode_step = 0
        observation = np.empty(self._observation_spec.shape, self._observation_spec.dtype)
        try:
            self.reset_into(observation)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise self.fault(error, 0) from error
        self._needs_reset = False
        return dm_env.restart(observation)

    def step(self, action: npt.ArrayLike) -> dm_env.TimeStep:
        """Applies an action of the spec, or starts an episode if none is running.

        Raises:
            ValueError: the action has another shape, is not finite, or is none of the n.
            EnvironmentFault: the inner environment broke its specs, or raised.
        """
        if self._needs_reset:
            return self.reset()
        checked: Any = self._action_map.checked(action, (), self._name)
        inner_action = self._action_map(checked)
        # Reset again unless this step succeeds: a faulty environment must not be stepped further.
        self._needs_reset = True
        self._episode_step += 1
        observation = np.empty(self._observation_spec.shape, self._observation_spec.dtype)
        try:
            reward, discount, last = self.accept(self._transition(inner_action), observation)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise self.fault(error, self._episode_step) from error
        self._needs_reset = last
        return dm_env.TimeStep(
            _LAST if last else _MID, np.float32(reward), np.float32(discount), observation
        )

    def close(self) -> None:
        """Closes the inner environment.

        An error is only logged as a warning, once for all environments of this name, as they are
        not needed any more.
        """
        try:
            self._inner.close()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if self._name not in _logged:
                _logged.add(self._name)
                _LOG.warning(
                    "%s: its close() fails, which changes nothing else: %s",
                    self._name,
                    described(error),
                )

    # The parts of `reset` and `step`, for `EnvironmentBatch`, which does some of the work for all
    # its environments at once. They raise `Defect`, or whatever the inner environment raises.

    @property
    def transition(self) -> Callable[[npt.NDArray[Any]], dm_env.TimeStep]:
        """Makes `action_repeat` inner steps with an inner action and returns their sum."""
        return self._transition

    @property
    def action_map(self) -> AnyActionMap:
        """The mapping from canonical actions to the inner environment's."""
        return self._action_map

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """The arrays of the inner observation, in the order of the flat one."""
        return self._leaves

    def reset_into(self, observation: Observations) -> None:
        """Resets the inner environment and writes its observation into `observation`."""
        step_type, _, _, inner_observation = unpacked(self._inner.reset(), "reset()")
        if step_type is not _FIRST:
            raise Defect(f"reset() returned a {step_type!r} step, not a FIRST one")
        # Once per episode is enough: the leaves are checked at every step.
        mismatch = structure_mismatch(self._inner_observation_spec, inner_observation)
        if mismatch:
            raise Defect(mismatch)
        self._write(inner_observation, observation)

    def accept(
        self, timestep: dm_env.TimeStep, observation: Observations
    ) -> tuple[float, float, bool]:
        """Checks what `transition` returned and writes its observation into `observation`.

        Returns:
            The reward, the discount, and whether the episode has ended.
        """
        step_type, reward, discount, inner_observation = checked_timestep(timestep)
        self._write(inner_observation, observation)
        return reward, discount, step_type is _LAST

    def fault(self, error: BaseException, episode_step: int) -> EnvironmentFault:
        """Makes the fault to raise for an error at a step of an episode; step 0 is the reset."""
        where = f"step {episode_step} of its episode" if episode_step else "its reset"
        what, kind = described(error), FaultKind.RAISED
        if isinstance(error, Defect):
            what, kind = shortened(str(error)), error.kind
        return EnvironmentFault(f"{self._name}, at {where}: {what}", kind)

    def _repeated_step(self, inner_action: npt.NDArray[Any]) -> dm_env.TimeStep:
        total_reward = 0.0
        total_discount = 1.0
        for _ in range(self._action_repeat):
            step_type, reward, discount, observation = checked_timestep(
                self._inner.step(inner_action)
            )
            total_reward += reward
            total_discount *= discount
            if step_type is _LAST:
                break
        return dm_env.TimeStep(step_type, total_reward, total_discount, observation)

    def _write_image(self, inner_observation: Any, observation: Observations) -> None:
        ((path, label, _, shape),) = self._leaves
        value = _array_at(inner_observation, path, label)
        if value.shape != shape or value.dtype != np.uint8:
            raise Defect(
                f"{label} is {value.dtype} {value.shape}, not uint8 {shape} as its spec says"
            )
        observation[...] = value.reshape(observation.shape)

    def _write_vector(self, inner_observation: Any, observation: FloatArray) -> None:
        for path, label, position, shape in self._leaves:
            value = _array_at(inner_observation, path, label)
            if value.shape != shape:
                raise Defect(f"{label} has shape {value.shape}, not {shape} as its spec says")
            try:
                observation[position] = value.ravel() if shape else value
            except (TypeError, ValueError):
                raise _no_numbers(label) from None
        finite = np.isfinite(observation)
        if not finite.all():
            raise self._not_finite(observation, int(np.argmin(finite)))

    def _not_finite(self, observation: FloatArray, position: int) -> Defect:
        for leaf in self._leaves:
            start = leaf.position if isinstance(leaf.position, int) else leaf.position.start
            if position < start + math.prod(leaf.shape):
                break
        within = np.unravel_index(position - start, leaf.shape) if leaf.shape else ()
        element = f"[{', '.join(str(i) for i in within)}]" if leaf.shape else ""
        return Defect(
            f"{leaf.label}{element} is {observation[position]}, not a finite float32",
            FaultKind.NOT_FINITE,
        )


def _array_at(inner_observation: Any, path: tuple[Any, ...], label: str) -> npt.NDArray[Any]:
    try:
        value = inner_observation
        for key in path:
            value = value[key]
        return np.asarray(value)
    except (LookupError, TypeError, ValueError):
        raise _no_numbers(label) from None


def _no_numbers(label: str) -> Defect:
    return Defect(f"{label} is missing, or is no array of numbers")


def check_action_repeat(action_repeat: int) -> None:
    """Raises ValueError unless `action_repeat` is an integer of at least 1."""
    if not isinstance(action_repeat, int) or isinstance(action_repeat, bool) or action_repeat < 1:
        raise ValueError(f"action_repeat must be an integer of at least 1, not {action_repeat!r}.")
