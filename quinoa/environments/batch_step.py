"""The transitions that one step of a batch of environments makes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from quinoa.environments.errors import EnvironmentFault

FloatArray = npt.NDArray[np.float32]
# Float32 `[N, O]`, or uint8 `[N, H, W, C]` of images.
Observations = npt.NDArray[Any]


class BatchStep(NamedTuple):
    """The result of one step of `N` environments. The arrays belong to the caller.

    Attributes:
        observation: `[N, O]` or `[N, H, W, C]`, the observation to act on next: after the end of an
            episode, the first one of the next episode.
        reward: float32 `[N]`.
        discount: float32 `[N]`, the environment's own: 0 at a termination and only there.
        next_observation: like `observation`, the one that the action led to: at the end of an
            episode, its final one.
        last: bool `[N]`, whether this step ends the episode.
        episode_return: float64 `[N]`, the undiscounted sum of the rewards of the episode up to and
            including this step.
        episode_length: int64 `[N]`, the number of actions of the episode up to and including this
            step. A repeated action counts once.
        valid: bool `[N]`, False where the environment failed in this step. Its episode is dropped,
            `observation` is the first one of the next episode, and the other values of the row are
            meaningless, though finite. None if all rows are valid, as nearly always.
        truncated: the rows whose episodes were ended by the batch's limit on their length.
        faults: the environments' faults in this step and its resets. Each has cost an episode.
    """

    observation: Observations
    reward: FloatArray
    discount: FloatArray
    next_observation: Observations
    last: npt.NDArray[np.bool_]
    episode_return: npt.NDArray[np.float64]
    episode_length: npt.NDArray[np.int64]
    valid: npt.NDArray[np.bool_] | None = None
    truncated: tuple[int, ...] = ()
    faults: tuple[EnvironmentFault, ...] = ()
