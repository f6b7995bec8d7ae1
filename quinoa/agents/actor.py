"""The actor loop: a batch of environments, one policy call a step."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from quinoa.agents import graphs
from quinoa.agents.divergence import NonFiniteError
from quinoa.agents.protocol import Policy
from quinoa.agents.source import Parameters, Writer
from quinoa.agents.types import Transition
from quinoa.environments import (
    BatchStep,
    EnvironmentBatch,
    EnvironmentFault,
    FaultKind,
    TooManyFaultsError,
)

FloatArray = npt.NDArray[np.float32]
Actions = npt.NDArray[Any]  # Of [N, *shape], as `quinoa.agents.actions` says.


class ActorStep(NamedTuple):
    """What one step of an actor did.

    Attributes:
        num_transitions: N, one of each environment, less those that were dropped.
        returns: the undiscounted returns of the episodes that ended with this step.
        lengths: their lengths, in actions.
        truncated: the environments whose episodes were ended by the limit on their length.
        faults: the environments' errors; each has cost an episode, which is not in `returns`.
    """

    num_transitions: int
    returns: list[float]
    lengths: list[int]
    truncated: tuple[int, ...] = ()
    faults: tuple[EnvironmentFault, ...] = ()


class Actor:
    """Acts in N environments with actions sampled from a policy, and writes every transition."""

    def __init__(
        self,
        policy: Policy,
        environments: EnvironmentBatch,
        writer: Writer,
        *,
        seed: int,
        parameters: Parameters | None,
    ) -> None:
        """Resets the environments.

        Args:
            policy: the policy, its variables created.
            environments: N environments; `close` closes them.
            writer: takes every transition, in order; `close` closes it.
            seed: with the number of the step, all that the actions' randomness comes from.
            parameters: keeps the policy up to date, and is closed with the actor; None if the
                policy is the learner's own.
        """
        self._environments = environments
        self._writer = writer
        self._parameters = parameters
        self._observation: FloatArray = environments.reset()
        self._act = _acting_function(policy, self._observation.shape, seed=seed)
        self._num_steps = 0

    def step(self) -> ActorStep:
        """Takes one action in each environment.

        Raises:
            EnvironmentFault: an environment failed for good, or too many episodes failed.
            NonFiniteError: too many episodes failed by the policy's own actions.
        """
        if self._parameters is not None:
            self._parameters.update()
        observation = self._observation
        action, extras = self._act(observation, self._num_steps)
        self._num_steps += 1
        result = step_environments(self._environments, action)
        self._writer.append(
            Transition(
                observation,
                action,
                result.reward,
                result.discount,
                result.next_observation,
                result.last,
                extras,
            ),
            result.valid,
        )
        self._observation = result.observation
        if not (result.faults or result.last.any()):
            return ActorStep(len(action), [], [])
        return ActorStep(
            len(action) if result.valid is None else int(np.count_nonzero(result.valid)),
            result.episode_return[result.last].tolist(),
            result.episode_length[result.last].tolist(),
            result.truncated,
            result.faults,
        )

    def close(self) -> None:
        """Ends the polling for parameters, writes what the writer has buffered, closes all."""
        if self._parameters is not None:
            self._parameters.close()
        try:
            self._writer.close()
        finally:
            self._environments.close()


def step_environments(environments: EnvironmentBatch, action: Actions) -> BatchStep:
    """Steps environments with a policy's actions, [N, *shape].

    Raises:
        EnvironmentFault: see `EnvironmentBatch.step`.
        NonFiniteError: the same, but the environments are not to blame.
    """
    try:
        return environments.step(action)
    except TooManyFaultsError as error:
        if error.kind is not FaultKind.ACTION:
            raise
        raise NonFiniteError(
            f"{error}. Learning has diverged; a lower learning_rate may help."
        ) from error


def action_function(
    policy: Policy, observation_shape: tuple[int, ...], *, seed: int, sample: bool
) -> Callable[[FloatArray, int], Actions]:
    """Compiles a policy for one shape of observations.

    Args:
        policy: the policy; its variables may change between calls.
        observation_shape: [N, O].
        seed: of the samples.
        sample: whether to act with samples, or with the mode.

    Returns:
        A function from observations, float32 [N, O], and the number of the step, from which
        together with `seed` the sample follows, to actions, [N, *shape].
    """
    sample = sample or not policy.has_mode
    act = _compiled_for(policy, _Kind(observation_shape, sample, with_extras=False))
    base_seed = _base_seed(seed)

    def call(observation: FloatArray, step: int, policy: Policy = policy) -> Actions:
        # `policy` is kept so that its variables live as long as this function.
        del policy
        action = act(tf.constant(observation), step_number(step), base_seed)
        on_host: Actions = action.numpy()
        return on_host

    return call


def _acting_function(
    policy: Policy, observation_shape: tuple[int, ...], *, seed: int
) -> Callable[[FloatArray, int], tuple[Actions, dict[str, FloatArray]]]:
    """The same for an actor: samples, and what the policy adds to each transition."""
    if type(policy).extras is Policy.extras:
        # It adds nothing, and a call that returns one tensor alone is faster.
        alone = action_function(policy, observation_shape, seed=seed, sample=True)
        return lambda observation, step: (alone(observation, step), {})
    act = _compiled_for(policy, _Kind(observation_shape, sample=True, with_extras=True))
    base_seed = _base_seed(seed)

    def call(
        observation: FloatArray, step: int, policy: Policy = policy
    ) -> tuple[Actions, dict[str, FloatArray]]:
        del policy
        action, extras = act(tf.constant(observation), step_number(step), base_seed)
        return action.numpy(), {name: value.numpy() for name, value in extras.items()}

    return call


def _base_seed(seed: int) -> tf.Tensor:
    return tf.constant([seed % 2**31, 0xAC7], tf.int32)


def step_number(step: int) -> tf.Tensor:
    """The number of a step as an int32 [], for a function that is called at each."""
    # By an array: TensorFlow keeps every Python number that it makes a tensor of, for ever.
    return tf.constant(np.asarray(step, np.int32))


class _Kind(NamedTuple):
    """What a policy is compiled for."""

    observation_shape: tuple[int, ...]
    sample: bool
    with_extras: bool


# Compiling may take seconds (the mode of a flow does), so a policy that is evaluated again and
# again is compiled once. The keys are weak references, so a policy is freed as if it were not here.
# A function of observations, the step's number and the base seed; with extras, of two results.
_Compiled = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], Any]
_compiled: weakref.WeakKeyDictionary[Policy, dict[_Kind, _Compiled]] = weakref.WeakKeyDictionary()


def _compiled_for(policy: Policy, kind: _Kind) -> _Compiled:
    by_kind = _compiled.setdefault(policy, {})
    if kind not in by_kind:
        by_kind[kind] = _compile(policy, kind)
    return by_kind[kind]


def _compile(policy: Policy, kind: _Kind) -> _Compiled:
    reference = weakref.ref(policy)

    def act(observation: tf.Tensor, step: tf.Tensor, base_seed: tf.Tensor) -> Any:
        traced = reference()
        assert traced is not None  # It is compiled within `_compile`, whose argument it is.
        distribution = traced(observation)
        if not kind.sample:
            return distribution.mode()
        step_seed = tf.random.experimental.stateless_fold_in(base_seed, step)
        action = distribution.sample(seed=step_seed)
        if not kind.with_extras:
            return action
        return action, dict(traced.extras(distribution, action))

    function = graphs.trace(
        act,
        tf.TensorSpec(kind.observation_shape, tf.float32),
        tf.TensorSpec([], tf.int32),
        tf.TensorSpec([2], tf.int32),
    )
    # The concrete function: no search for a matching trace at each step.
    concrete: _Compiled = function.get_concrete_function()
    return concrete
