"""How good a policy is: the returns of whole episodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from quinoa.agents.actor import step_environments
from quinoa.environments import BatchStep, EnvironmentBatch, EnvironmentFault


class EvaluationResult(NamedTuple):
    """The episodes of an evaluation, in order of environment and then time.

    Attributes:
        returns: undiscounted, float64 [num_episodes].
        lengths: in actions, int64 [num_episodes].
        num_truncated: how many of them the limit on their length has ended.
        faults: the environments' errors. Each has cost an episode, in whose place another one was
            played.
    """

    returns: npt.NDArray[np.float64]
    lengths: npt.NDArray[np.int64]
    num_truncated: int = 0
    faults: tuple[EnvironmentFault, ...] = ()


class EvaluatedPolicy(Protocol):
    """A policy as an evaluation uses it, whatever library it computes with."""

    def actions(
        self, observation_shape: tuple[int, ...], *, seed: int, sample: bool
    ) -> Callable[[npt.NDArray[np.float32], int], npt.NDArray[Any]]:
        """Makes what acts.

        Args:
            observation_shape: [N, O] of vectors, float32, or [N, H, W, C] of images, uint8.
            seed: of the samples.
            sample: whether to act with samples, or with the mode where there is one.

        Returns:
            A function from observations of that shape and the number of the step to actions,
            [N, *shape].
        """


class EvaluationStopped(Exception):
    """`should_stop` ended an evaluation before all its episodes had."""


def evaluate(
    policy: EvaluatedPolicy,
    environments: EnvironmentBatch,
    num_episodes: int,
    *,
    seed: int,
    sample: bool = False,
    should_stop: Callable[[], bool] | None = None,
    on_episodes: Callable[[int], object] | None = None,
    on_step: Callable[[npt.NDArray[Any], npt.NDArray[Any], BatchStep], object] | None = None,
) -> EvaluationResult:
    """Plays `num_episodes` episodes, as many in each of the N environments as in any other.

    What each environment plays is settled beforehand (the first `num_episodes` mod N of them play
    one more). Counting the first episodes to end, wherever they do, would favour short ones.

    Args:
        policy: the policy.
        environments: N environments, which are reset first and stay open.
        num_episodes: at least 1. N should divide it, or the last round leaves environments idle.
        seed: of the actions, where they are sampled.
        sample: whether to sample actions, or to take the policy's mode.
        should_stop: asked at every step; when it is true, the evaluation is given up.
        on_episodes: told the number of episodes that have ended with a step, where any have.
        on_step: told, after each step, what was acted in, [N, ...], the actions, [N, ...], and what
            came of them. Of the i-th environment, the first `shares(num_episodes, N)[i]` episodes
            count.

    Raises:
        ValueError: `num_episodes` is less than 1.
        EvaluationStopped: `should_stop` was true before the last episode had ended.
        EnvironmentFault: an environment failed for good, or too many episodes failed.
        NonFiniteError: too many episodes failed by the policy's own actions.
    """
    if num_episodes < 1:
        raise ValueError(f"num_episodes must be at least 1, not {num_episodes}.")
    count = len(environments)
    share = shares(num_episodes, count)
    returns: list[list[float]] = [[] for _ in range(count)]
    lengths: list[list[int]] = [[] for _ in range(count)]
    observation = environments.reset()
    act = policy.actions(observation.shape, seed=seed, sample=sample)
    num_steps = num_truncated = 0
    faults: list[EnvironmentFault] = []
    left = num_episodes
    while left:
        if should_stop is not None and should_stop():
            raise EvaluationStopped(f"Stopped with {left} of {num_episodes} episodes to go.")
        action = act(observation, num_steps)
        result = step_environments(environments, action)
        num_steps += 1
        if on_step is not None:
            on_step(observation, action, result)
        observation = result.observation
        faults += result.faults
        left_before = left
        for i in np.flatnonzero(result.last):
            if len(returns[i]) < share[i]:
                returns[i].append(float(result.episode_return[i]))
                lengths[i].append(int(result.episode_length[i]))
                num_truncated += i in result.truncated
                left -= 1
        if on_episodes is not None and left < left_before:
            on_episodes(left_before - left)
    return EvaluationResult(
        np.concatenate([np.array(r, np.float64) for r in returns]),
        np.concatenate([np.array(n, np.int64) for n in lengths]),
        num_truncated,
        tuple(faults),
    )


def shares(num_episodes: int, count: int) -> list[int]:
    """How many of the episodes each of `count` environments plays."""
    return [num_episodes // count + (i < num_episodes % count) for i in range(count)]
