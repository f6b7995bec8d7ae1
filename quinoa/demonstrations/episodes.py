"""Episodes in canonical form: recorded while a policy acts, and turned into transitions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from quinoa.agents.types import Transition
from quinoa.environments import BatchStep

FloatArray = npt.NDArray[np.float32]


class Episode(NamedTuple):
    """An episode of T actions, from its first state to its last.

    Attributes:
        observations: float32 [T + 1, O], or uint8 [T + 1, H, W, C] of images.
        actions: float32 [T, A] in [-1, 1], or int32 [T] of a finite set.
        rewards: float32 [T].
        discounts: the environment's own, float32 [T]. The last one is 0 where the episode ended by
            a termination, and not where it was truncated.
    """

    observations: npt.NDArray[Any]
    actions: npt.NDArray[Any]
    rewards: FloatArray
    discounts: FloatArray

    @property
    def terminated(self) -> bool:
        """Whether it ended by a termination, rather than by a time limit."""
        return bool(self.discounts[-1] == 0.0)


def transitions(episodes: Sequence[Episode]) -> Transition:
    """The transitions of at least one episode, one episode after the other, in time order.

    Returns:
        NumPy arrays of leading shape [N], where N is the number of actions; without extras.
    """
    last = [np.arange(len(each.rewards)) == len(each.rewards) - 1 for each in episodes]
    return Transition(
        observation=np.concatenate([each.observations[:-1] for each in episodes]),
        action=np.concatenate([each.actions for each in episodes]),
        reward=np.concatenate([each.rewards for each in episodes]),
        discount=np.concatenate([each.discounts for each in episodes]),
        next_observation=np.concatenate([each.observations[1:] for each in episodes]),
        last=np.concatenate(last),
    )


class EpisodeRecorder:
    """Collects the episodes of N environments that are stepped together.

    An episode in which an environment fails is dropped, and so is one that has not ended.
    """

    def __init__(self, num_environments: int) -> None:
        """Starts with nothing.

        Args:
            num_environments: N.
        """
        self._steps: list[list[_Step]] = [[] for _ in range(num_environments)]
        self._episodes: list[list[Episode]] = [[] for _ in range(num_environments)]

    def add(
        self, observation: npt.NDArray[Any], action: npt.NDArray[Any], result: BatchStep
    ) -> None:
        """Takes one step of all environments.

        Args:
            observation: what was acted in, [N, ...].
            action: what was done, [N, ...].
            result: what came of it.
        """
        for i, steps in enumerate(self._steps):
            if result.valid is not None and not result.valid[i]:
                steps.clear()
                continue
            steps.append(
                _Step(
                    observation[i].copy(),
                    np.array(action[i]),
                    result.reward[i],
                    result.discount[i],
                )
            )
            if result.last[i]:
                self._episodes[i].append(_episode(steps, result.next_observation[i]))
                steps.clear()

    def episodes(self, shares: Sequence[int]) -> list[Episode]:
        """The first episodes of each environment.

        Args:
            shares: how many of each of the N environments.
        """
        found = zip(self._episodes, shares, strict=True)
        return [episode for episodes, share in found for episode in episodes[:share]]


class _Step(NamedTuple):
    observation: npt.NDArray[Any]
    action: npt.NDArray[Any]
    reward: np.float32
    discount: np.float32


def _episode(steps: Sequence[_Step], last_observation: npt.NDArray[Any]) -> Episode:
    return Episode(
        np.stack([*(step.observation for step in steps), last_observation]),
        np.stack([step.action for step in steps]),
        np.array([step.reward for step in steps], np.float32),
        np.array([step.discount for step in steps], np.float32),
    )
