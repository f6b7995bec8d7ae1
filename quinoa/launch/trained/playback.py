"""Episodes of an agent, a step at a time, to be looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from quinoa.agents.protocol import Agent
    from quinoa.environments import CanonicalEnvironment

FloatArray = npt.NDArray[np.float32]


class Moment(NamedTuple):
    """N episodes after a number of steps.

    Attributes:
        step: how many actions have been taken in the episodes that are not over.
        running: bool [N], whether the episode goes on.
        lengths: int64 [N], actions of each episode so far.
        returns: float64 [N], undiscounted, so far.
        entropy: float32 [N], of the policy where each episode is, in nats.
        value: V(s), float32 [N]; None where the agent has none.
        last: whether nothing comes after it.
    """

    step: int
    running: npt.NDArray[np.bool_]
    lengths: npt.NDArray[np.int64]
    returns: npt.NDArray[np.float64]
    entropy: FloatArray
    value: FloatArray | None
    last: bool


def play(
    agent: Agent,
    environments: Sequence[CanonicalEnvironment],
    *,
    length: int,
    seed: int,
    sample: bool = False,
) -> Iterator[Moment]:
    """Plays one episode in each environment, side by side.

    While a moment is being looked at, the environments are in the states that it tells of.

    Args:
        agent: who plays.
        environments: N of them; they stay open.
        length: actions after which those that are not over are left.
        seed: of the actions.
        sample: whether actions are sampled, or the policy's mode.

    Raises:
        EnvironmentFault: an environment failed.
        NonFiniteError: an action was not finite.
    """
    from quinoa.agents.divergence import NonFiniteError
    from quinoa.agents.inspection import inspection_function

    count = len(environments)
    observation = np.stack([environment.reset().observation for environment in environments])
    inspect = inspection_function(agent, observation.shape, seed=seed, sample=sample)
    running = np.ones(count, np.bool_)
    lengths, returns = np.zeros(count, np.int64), np.zeros(count, np.float64)
    for step in range(length + 1):
        inspection = inspect(observation, step)
        last = step == length or not running.any()
        yield Moment(
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
