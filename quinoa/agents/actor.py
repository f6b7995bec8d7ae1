"""The actor loop: a batch of environments, one policy call a step."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from quinoa.agents.divergence import NonFiniteError
from quinoa.agents.parameters import ParameterClient
from quinoa.agents.protocol import Policy
from quinoa.agents.replay import Writer
from quinoa.agents.types import Transition
from quinoa.environments import (
    BatchStep,
    EnvironmentBatch,
    EnvironmentFault,
    FaultKind,
    TooManyFaultsError,
)

FloatArray = npt.NDArray[np.float32]


class ActorStep(NamedTuple):
    """What one step of an actor did.

    Attributes:
        num_transitions: N, one of each environment, less those that were dropped.
        returns: the undiscounted returns of the episodes that ended with this step.
        lengths: their lengths, in actions.
        truncated: the environments whose episodes were ended by the limit on their length.
        faults: what befell the environments; each has cost an episode, which is not in `returns`.
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
        parameters: ParameterClient | None,
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
        self._act = action_function(policy, self._observation.shape, seed=seed, sample=True)
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
        action = self._act(observation, self._num_steps)
        self._num_steps += 1
        result = step_environments(self._environments, action)
        self._writer.append(
            Transition(
                observation, action, result.reward, result.discount, result.next_observation
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
        """Ends the polling for parameters, writes what the writer holds back, closes all."""
        if self._parameters is not None:
            self._parameters.close()
        try:
            self._writer.close()
        finally:
            self._environments.close()


def step_environments(environments: EnvironmentBatch, action: FloatArray) -> BatchStep:
    """Steps environments with a policy's actions, float32 [N, A].

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
) -> Callable[[FloatArray, int], FloatArray]:
    """Compiles a policy for one shape of observations.

    Args:
        policy: the policy; its variables may change between calls.
        observation_shape: [N, O].
        seed: of the samples.
        sample: whether to act with samples, or with the mode.

    Returns:
        A function from observations, float32 [N, O], and the number of the step, from which
        together with `seed` the sample follows, to actions, float32 [N, A].
    """
    by_kind = _compiled.setdefault(policy, {})
    kind = (observation_shape, sample)
    if kind not in by_kind:
        by_kind[kind] = _compile(policy, observation_shape, sample)
    compiled = by_kind[kind]
    base_seed = tf.constant([seed % 2**31, 0xAC7], tf.int32)

    def call(observation: FloatArray, step: int, policy: Policy = policy) -> FloatArray:
        # `policy` is held so that its variables live as long as this function.
        del policy
        actions = compiled(tf.constant(observation), step_number(step), base_seed)
        on_host: FloatArray = actions.numpy()
        return on_host

    return call


def step_number(step: int) -> tf.Tensor:
    """The number of a step as an int32 [], for a function that is called at each."""
    # By an array: TensorFlow keeps every Python number that it makes a tensor of, for ever.
    return tf.constant(np.asarray(step, np.int32))


# Compiling may take seconds (the mode of a flow does), so a policy that is evaluated again and
# again is compiled once. Nothing in here holds on to the policies themselves.
_Compiled = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
_compiled: weakref.WeakKeyDictionary[Policy, dict[tuple[tuple[int, ...], bool], _Compiled]] = (
    weakref.WeakKeyDictionary()
)


def _compile(policy: Policy, observation_shape: tuple[int, ...], sample: bool) -> _Compiled:
    reference = weakref.ref(policy)

    @tf.function
    def act(observation: tf.Tensor, step: tf.Tensor, base_seed: tf.Tensor) -> tf.Tensor:
        traced = reference()
        assert traced is not None  # It is compiled within `_compile`, whose argument it is.
        distribution = traced(observation)
        if not sample:
            return distribution.mode()
        step_seed = tf.random.experimental.stateless_fold_in(base_seed, step)
        return distribution.sample(seed=step_seed)

    # The concrete function: no search for a matching trace at each step.
    concrete: _Compiled = act.get_concrete_function(
        tf.TensorSpec(observation_shape, tf.float32),
        tf.TensorSpec([], tf.int32),
        tf.TensorSpec([2], tf.int32),
    )
    return concrete
