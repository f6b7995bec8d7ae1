"""Episodes that a trained policy has played, and their returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from quinoa.launch.checkpoints.learner_checkpoints import Checkpoint
    from quinoa.launch.experiment import Experiment


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Episodes that a policy has played.

    Attributes:
        returns: undiscounted, float64 [num_episodes].
        lengths: in actions, int64 [num_episodes].
        num_faults: episodes in which the environment failed, and that were replaced by others.
    """

    returns: npt.NDArray[np.float64]
    lengths: npt.NDArray[np.int64]
    num_faults: int = 0

    @classmethod
    def play(
        cls,
        experiment: Experiment,
        checkpoint: Checkpoint,
        episodes: int,
        *,
        seeds: Sequence[int] | None,
        sample: bool,
    ) -> Evaluation:
        """Plays episodes with the policy of a checkpoint; imports TensorFlow.

        Args:
            experiment: of the run.
            checkpoint: of its learner.
            episodes: how many, for each seed.
            seeds: see `Run.evaluate`.
            sample: see `Run.evaluate`.

        Raises:
            ExperimentError, RunError, EnvironmentFault: see `Run.evaluate`.
        """
        from quinoa.launch.trained.evaluate import evaluate_seeds

        results = evaluate_seeds(
            experiment,
            checkpoint,
            episodes,
            sample=sample,
            seeds=(None,) if seeds is None else list(seeds),
        )
        return cls(
            np.concatenate([result.returns for result in results]),
            np.concatenate([result.lengths for result in results]),
            sum(len(result.faults) for result in results),
        )

    def mean(self) -> float:
        """The mean return."""
        return float(self.returns.mean())

    def std(self) -> float:
        """The standard deviation of the returns, with their number in its denominator."""
        return float(self.returns.std())

    def __len__(self) -> int:
        """How many episodes there were."""
        return len(self.returns)

    def __str__(self) -> str:
        """The return, as `quinoa evaluate` says it."""
        return f"{self.mean():.1f} ± {self.std():.1f} ({len(self)} episodes)"
