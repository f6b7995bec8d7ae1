"""The checks of an environment; each raises `CheckError`, whose message says what to change.

The first ones test the environment itself against dm_env's conventions, the others its canonical
form, which agents see.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dm_env
import numpy as np
import numpy.typing as npt
from dm_env import specs

from quinoa import environments
from quinoa.environments import CanonicalEnvironment, EnvironmentBatch
from quinoa.launch.checks.base import Check, CheckError, require

# Steps of the looks at single steps, and after which an episode should have ended.
_FEW, _MANY = 200, 10_000
_BATCH = 4
_RESET = "reset()"
# Seconds over which steps are counted.
_SPEED_S = 1.0


@dataclasses.dataclass(frozen=True)
class EnvironmentSubject:
    """An environment that is checked.

    Attributes:
        name: that `quinoa.environments.make` knows.
        seed: of everything random.
        action_repeat: as runs would have it.
    """

    name: str
    seed: int = 0
    action_repeat: int = 1

    @property
    def seeds(self) -> list[int]:
        """Seeds of environments, as different and as large as those that runs draw."""
        return environments.draw_seeds(np.random.SeedSequence(self.seed), _BATCH)

    def make(self, seed: int | None = None) -> CanonicalEnvironment:
        """A new one, by default with the first of its seeds."""
        seed = self.seeds[0] if seed is None else seed
        return environments.make(self.name, seed, action_repeat=self.action_repeat)

    def actions(self, environment: dm_env.Environment) -> Iterator[npt.NDArray[Any]]:
        """Actions for ever: both ends of each dimension, then random ones, within the bounds."""
        spec = environment.action_spec()
        rng = np.random.default_rng(self.seed)
        yield np.array(np.broadcast_to(spec.minimum, spec.shape), spec.dtype)
        yield np.array(np.broadcast_to(spec.maximum, spec.shape), spec.dtype)
        while True:
            if spec.dtype.kind in "iu":
                yield np.array(rng.integers(spec.minimum, spec.maximum, endpoint=True), spec.dtype)
            else:
                yield rng.uniform(spec.minimum, spec.maximum, spec.shape).astype(spec.dtype)


def is_made(subject: EnvironmentSubject) -> str:
    """It can be made, and has a canonical form."""
    environment = subject.make()
    try:
        shape, actions = environment.observation_spec().shape, environment.action_spec()
    finally:
        environment.close()
    try:
        subject.make(environments.MAX_SEED).close()
    except environments.InvalidEnvironmentError as error:
        raise CheckError(
            f"with the greatest seed that there is, {environments.MAX_SEED}, {error}: take any "
            "seed from 0 to 2**31 - 1"
        ) from error
    observations = f"{shape[0]} observations"
    if len(shape) > 1:
        observations = f"images of {' × '.join(map(str, shape))}"
    if isinstance(actions, specs.DiscreteArray):
        return f"{observations}, one of {actions.num_values} actions"
    if actions.dtype == np.int32:
        return f"{observations}, {actions.shape[0]} choices an action"
    return f"{observations}, {actions.shape[0]} actions"


def steps_are_time_steps(subject: EnvironmentSubject) -> str:
    """Each step is a `dm_env.TimeStep`, its type, reward and discount numbers."""
    with contextlib.closing(subject.make()) as made:
        for what, timestep in _first_steps(subject, made.inner):
            _check_types(timestep, what)
    return ""


def _check_types(timestep: Any, what: str) -> None:
    require(
        isinstance(timestep, dm_env.TimeStep),
        f"{what} returned a {type(timestep).__name__}, not a dm_env.TimeStep: use dm_env.restart, "
        "transition, termination and truncation to make them",
    )
    require(
        any(timestep.step_type is known for known in dm_env.StepType)
        or (_is_number(timestep.step_type) and timestep.step_type in list(dm_env.StepType)),
        f"{what} returned a step of the type {timestep.step_type!r}, which is no dm_env.StepType: "
        "use dm_env.restart, transition, termination and truncation to make them",
    )
    if timestep.first():
        return
    for name in ("reward", "discount"):
        value = getattr(timestep, name)
        require(
            _is_number(value),
            f"{what}: the {name} is {value!r}, of type {type(value).__name__}: return a number, "
            "such as a float or a numpy scalar",
        )


def _is_number(value: Any) -> bool:
    return np.ndim(value) == 0 and np.asarray(value).dtype.kind in "fiub"


def steps_are_as_its_specs_say(subject: EnvironmentSubject) -> str:
    """Each step has the shapes, dtypes and bounds of the specs, and the fields of its type."""
    with contextlib.closing(subject.make()) as made:
        for what, timestep in _first_steps(subject, made.inner):
            _check_step(made.inner, timestep, what)
            if timestep.first() and what != _RESET:
                raise CheckError(
                    f"{what} returned a FIRST step within an episode: end the episode with "
                    "a LAST step (dm_env.termination or dm_env.truncation) before the next begins"
                )
    return ""


def _first_steps(
    subject: EnvironmentSubject, environment: dm_env.Environment
) -> Iterator[tuple[str, Any]]:
    """What a reset and some steps return, each with a name; where an episode ends, it is reset."""
    yield _RESET, environment.reset()
    for number, action in zip(range(1, _FEW), subject.actions(environment), strict=False):
        timestep = environment.step(action)
        yield f"step {number}", timestep
        if timestep.last():
            environment.reset()


def _check_step(environment: dm_env.Environment, timestep: Any, what: str) -> None:
    if what == _RESET:
        require(
            timestep.first() and timestep.reward is None and timestep.discount is None,
            f"reset() returned a {timestep.step_type} step, reward {timestep.reward} and discount "
            f"{timestep.discount}: return dm_env.restart(observation)",
        )
    elif not timestep.first():
        _validate(environment.reward_spec(), timestep.reward, f"{what}: the reward")
        _validate(environment.discount_spec(), timestep.discount, f"{what}: the discount")
        require(
            timestep.last() or float(timestep.discount) > 0,
            f"{what} has discount 0, but the episode has not ended: return dm_env.termination "
            "there, or a discount above 0",
        )
    _validate(environment.observation_spec(), timestep.observation, f"{what}: the observation")


def _validate(spec: Any, value: Any, what: str) -> None:
    if isinstance(spec, Mapping):
        missing = set(spec) ^ set(value if isinstance(value, Mapping) else ())
        require(not missing, f"{what} and its spec differ in the keys {sorted(map(str, missing))}")
        for key in spec:
            _validate(spec[key], value[key], f"{what}[{key!r}]")
    elif isinstance(spec, (list, tuple)):
        require(
            isinstance(value, (list, tuple)) and len(value) == len(spec),
            f"{what} must be a sequence of {len(spec)}, as its spec says",
        )
        for index, part in enumerate(spec):
            _validate(part, value[index], f"{what}[{index}]")
    elif not spec.shape and np.isscalar(value):
        # A Python number is as good as an array of the spec's dtype, and has no dtype of its own.
        _validate_array(spec, np.asarray(value, spec.dtype), what)
    else:
        _validate_array(spec, value, what)


def _validate_array(spec: specs.Array, value: Any, what: str) -> None:
    require(
        isinstance(value, np.ndarray | np.generic),
        f"{what} is a {type(value).__name__}, not an array: return a numpy array {spec.dtype} "
        f"{list(spec.shape)}",
    )
    require(bool(np.all(np.isfinite(value))), f"{what} is not finite: {value}")
    try:
        spec.validate(value)
    except ValueError as error:
        said = " ".join(str(error).split())
        raise CheckError(
            f"{what} is not as its spec says: {said}. Change one of the two"
        ) from error


def a_new_episode_follows_the_last_step(subject: EnvironmentSubject) -> str:
    """As dm_env wants it, `step` begins an episode where none is running."""
    made = subject.make()
    environment = made.inner
    try:
        actions = subject.actions(environment)
        timestep = environment.step(next(actions))
        require(
            timestep.first(),
            f"step() on a new environment returned a {timestep.step_type} step: call reset() in "
            "step() where no episode is running, and return what that returns",
        )
        for _ in range(_MANY):
            timestep = environment.step(next(actions))
            if timestep.last():
                break
        else:
            return "no episode ended"
        timestep = environment.step(next(actions))
        require(
            timestep.first(),
            f"step() after a LAST step returned a {timestep.step_type} step: call reset() in "
            "step() where no episode is running, and return what that returns",
        )
    finally:
        made.close()
    return ""


def episodes_end(subject: EnvironmentSubject) -> str:
    """With random actions, by a termination or a time limit."""
    environment = subject.make()
    lengths: list[int] = []
    terminations = 0
    try:
        actions = subject.actions(environment)
        environment.reset()
        length = 0
        for _ in range(_MANY):
            timestep = environment.step(next(actions))
            length += 1
            if timestep.last():
                lengths.append(length)
                terminations += float(timestep.discount) == 0
                environment.reset()
                length = 0
                if sum(lengths) > _MANY // 5:
                    break
    finally:
        environment.close()
    require(
        bool(lengths),
        f"no episode ended within {_MANY} steps: end it at a time limit, with "
        "dm_env.truncation(reward, observation), which keeps the discount at 1",
    )
    return (
        f"{len(lengths)} episodes of {min(lengths)} to {max(lengths)} steps, {terminations} of "
        "them terminated"
    )


def seeds_reproduce(subject: EnvironmentSubject) -> str:
    """The same seed and actions give the same episode."""
    first, again, other = (_trajectory(subject, subject.seeds[number]) for number in (0, 0, 1))
    for step, (one, two) in enumerate(zip(first, again, strict=True)):
        require(
            np.array_equal(one, two),
            f"two environments of the same seed differ from step {step} on: draw all that is "
            "random from np.random.default_rng(seed), and share no state between environments",
        )
    if np.array_equal(first, other):
        return "another seed changes nothing: take one (factory(seed)) if anything is random"
    return ""


def _trajectory(subject: EnvironmentSubject, seed: int) -> npt.NDArray[np.float64]:
    """Observation, flat, reward and discount at each of some steps, float64 [T, O + 2]."""
    environment = subject.make(seed)
    try:
        rows = []
        timestep = environment.reset()
        for _, action in zip(range(_FEW), subject.actions(environment), strict=False):
            rows.append(_row(timestep))
            timestep = environment.reset() if timestep.last() else environment.step(action)
        return np.array([*rows, _row(timestep)])
    finally:
        environment.close()


def _row(timestep: dm_env.TimeStep) -> npt.NDArray[Any]:
    beside = [timestep.reward or 0.0, 1.0 if timestep.discount is None else timestep.discount]
    return np.concatenate([timestep.observation.ravel(), beside])


def a_batch_is_its_environments(subject: EnvironmentSubject) -> str:
    """Stepped together, each does what it does alone."""
    batch = EnvironmentBatch([subject.make(seed) for seed in subject.seeds])
    alone = subject.make()
    try:
        observation, own = batch.reset(), alone.reset().observation
        for step, action in zip(range(_FEW), subject.actions(alone), strict=False):
            require(
                np.array_equal(observation[0], own),
                f"an environment beside {_BATCH - 1} others differs from one alone from step "
                f"{step} on: they share state; keep it in the object, not in the module or class",
            )
            result = batch.step(np.stack([action] * _BATCH))
            for fault in result.faults:
                raise CheckError(f"{fault}: what it returns must fit its specs at every step")
            timestep = alone.step(action)
            own = alone.reset().observation if timestep.last() else timestep.observation
            observation = result.observation
    finally:
        batch.close()
        alone.close()
    return ""


def is_stepped(subject: EnvironmentSubject) -> str:
    """How fast it is; no speed is too low."""
    environment = subject.make()
    try:
        actions = subject.actions(environment)
        environment.reset()
        steps, start = 0, time.perf_counter()
        while (seconds := time.perf_counter() - start) < _SPEED_S:
            environment.step(next(actions))
            steps += 1
    finally:
        environment.close()
    return f"{steps / seconds:.0f} steps per second"


CHECKS: Sequence[Check[EnvironmentSubject]] = (
    Check("it is made, and has a canonical form", is_made, is_needed=True),
    Check("its steps are time steps, of numbers", steps_are_time_steps, is_needed=True),
    Check("steps are as its specs say", steps_are_as_its_specs_say, is_needed=True),
    Check("a new episode follows the last step", a_new_episode_follows_the_last_step),
    Check("episodes end", episodes_end),
    Check("the same seed gives the same episodes", seeds_reproduce),
    Check("a batch does what each does alone", a_batch_is_its_environments),
    Check("one environment is stepped", is_stepped),
)
