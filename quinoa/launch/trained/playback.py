"""Plays episodes of an agent step by step, with its values and entropies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from quinoa.agents.protocol import Agent
    from quinoa.environments import CanonicalEnvironment

FloatArray = npt.NDArray[np.float32]


class PlaybackStep(NamedTuple):
    """N episodes after a number of steps.

    Attributes:
        step: the number of actions taken so far in the running episodes.
        running: bool [N], whether the episode is running, that is, has not ended.
        lengths: int64 [N], the actions taken so far.
        returns: float64 [N], the undiscounted rewards so far.
        entropy: float32 [N], the policy's entropy in the present state, in nats; None if the policy
            has no density.
        value: float32 [N], V of the present state; None if the agent has no V.
        last: whether this is the last step.
    """

    step: int
    running: npt.NDArray[np.bool_]
    lengths: npt.NDArray[np.int64]
    returns: npt.NDArray[np.float64]
    entropy: FloatArray | None
    value: FloatArray | None
    last: bool


def play(
    agent: Agent,
    environments: Sequence[CanonicalEnvironment],
    *,
    length: int,
    seed: int,
    sample: bool = False,
) -> Iterator[PlaybackStep]:
    """Plays one episode in each environment, all in parallel.

    While a step is yielded, the environments are in the states that it describes.

    Args:
        agent: the agent whose policy acts.
        environments: N environments; they are not closed.
        length: the number of actions after which running episodes are left.
        seed: the seed of sampled actions.
        sample: whether to sample actions instead of taking the mode.

    Raises:
        EnvironmentFault: an environment failed.
        NonFiniteError: an action was not finite.
    """
    from quinoa.agents.inspection import inspection_function
    from quinoa.agents.types import NonFiniteError

    count = len(environments)
    observation = np.stack([environment.reset().observation for environment in environments])
    inspect = inspection_function(agent, observation.shape, seed=seed, sample=sample)
    running = np.ones(count, np.bool_)
    lengths, returns = np.zeros(count, np.int64), np.zeros(count, np.float64)
    for step in range(length + 1):
        inspection = inspect(observation, step)
        last = step == length or not running.any()
        yield PlaybackStep(
            step,
            running.copy(),
            lengths.copy(),
            returns.copy(),
            inspection.entropy,
            inspection.value,
            last,
        )
        if last:
            return
        if not np.isfinite(inspection.action).all():
            raise NonFiniteError("The policy's actions are not finite. Learning has diverged.")
        for i in np.flatnonzero(running):
            timestep = environments[i].step(inspection.action[i])
            observation[i] = timestep.observation
            returns[i] += timestep.reward
            lengths[i] += 1
            running[i] = not timestep.last()
