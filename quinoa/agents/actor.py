"""The actor loop: a batch of environments, one policy call a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from quinoa.agents.exploration import ActionNoise, Exploration, Noise
from quinoa.agents.source import Parameters, Writer
from quinoa.agents.types import RUNNING_RETURN, NonFiniteError, Transition
from quinoa.environments import (
    BatchStep,
    EnvironmentBatch,
    EnvironmentFault,
    FaultKind,
    TooManyFaultsError,
)

FloatArray = npt.NDArray[np.float32]
Actions = npt.NDArray[Any]  # Of [N, *shape], as `quinoa.agents.actions` says.


class ActingPolicy(Protocol):
    """A policy as an actor uses it, whatever library it computes with."""

    def assign(self, parameters: FloatArray) -> None:
        """Sets its parameters, float32 [P], for the steps after this.

        Raises:
            ValueError: the vector has another size than the policy.
        """

    def samples(
        self, observation_shape: tuple[int, ...], *, seed: int, noise: ActionNoise = "white"
    ) -> Callable[[npt.NDArray[Any], int], tuple[Actions, Mapping[str, FloatArray]]]:
        """Makes what draws the actions of one actor.

        Args:
            observation_shape: [N, O] of vectors, float32, or [N, H, W, C] of images, uint8.
            seed: all that the actions' randomness comes from, with the steps' numbers.
            noise: what successive actions are drawn with.

        Returns:
            A function from observations of that shape and the number of the step, from 0, to
            actions, [N, *shape], and what `Agent.extras_spec` declares, by name.

        Raises:
            ConfigError: the policy cannot draw with this noise.
        """


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
    """Acts in N environments with actions sampled from a policy, and writes every transition.

    What an agent explores with besides (`quinoa.agents.exploration`) begins with each episode, as
    does a resumed run with new episodes: so there is nothing of it in a checkpoint.
    """

    def __init__(
        self,
        policy: ActingPolicy,
        environments: EnvironmentBatch,
        writer: Writer,
        *,
        seed: int,
        parameters: Parameters | None,
        discount: float | None = None,
        exploration: Exploration | None = None,
        action_noise: ActionNoise = "white",
    ) -> None:
        """Resets the environments.

        Args:
            policy: the policy.
            environments: N environments; `close` closes them.
            writer: takes every transition, in order; `close` closes it.
            seed: with the number of the step, all that the actions' randomness comes from.
            parameters: keeps the policy up to date, and is closed with the actor; None if the
                policy is the learner's own.
            discount: γ; where it is given, extras have `RUNNING_RETURN` of each transition.
            exploration: what is added to the policy's actions, which are from a box.
            action_noise: what the policy draws successive actions with.

        Raises:
            ConfigError: the policy cannot draw with this noise.
        """
        self._environments = environments
        self._writer = writer
        self._parameters = parameters
        self._observation: npt.NDArray[Any] = environments.reset()
        self._act = policy.samples(self._observation.shape, seed=seed, noise=action_noise)
        self._num_steps = 0
        self._noise: Noise | None = None
        if exploration is not None:
            shape = environments.environments[0].action_spec().shape
            self._noise = exploration.start((len(self._observation), *shape), seed=seed)
        self._discount = discount
        self._running_return = np.zeros(len(self._observation), np.float32)

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
        if self._noise is not None:
            action = self._noise.add(action)
        result = step_environments(self._environments, action)
        if self._discount is not None:
            extras = {**extras, RUNNING_RETURN: self._add_rewards(result, self._discount)}
        if self._noise is not None:
            self._noise.restart(_ended(result))
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

    def _add_rewards(self, result: BatchStep, discount: float) -> FloatArray:
        """G ← γ G + r, float32 [N], which begins anew after an episode."""
        running_return = discount * self._running_return + result.reward
        self._running_return = np.where(_ended(result), np.float32(0.0), running_return)
        return running_return

    def close(self) -> None:
        """Ends the polling for parameters, writes what the writer has buffered, closes all."""
        if self._parameters is not None:
            self._parameters.close()
        try:
            self._writer.close()
        finally:
            self._environments.close()


def _ended(result: BatchStep) -> npt.NDArray[np.bool_]:
    """Where the next step is of another episode, bool [N]: one has ended, or was dropped."""
    return result.last if result.valid is None else result.last | ~result.valid


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
