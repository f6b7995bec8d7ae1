"""Rows of metrics: what actors, learner and evaluator measure, whatever engine they run in."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from quinoa.launch.metrics.metrics_log import EACH_EPISODE
from quinoa.launch.run.counts import ACTOR_STEPS, LEARNER_STEPS

if TYPE_CHECKING:
    from quinoa.agents.actor import ActorStep
    from quinoa.agents.evaluation import EvaluationResult
    from quinoa.agents.learner import Learner
    from quinoa.launch.roles.checkpoint_schedule import CheckpointSchedule
    from quinoa.launch.roles.divergence_guard import DivergenceGuard


class Rate:
    """How many of something there have been per second since the last time it was asked."""

    def __init__(self, total: int = 0):
        """Starts the clock at a total."""
        self._total = total
        self._time = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since it was last asked."""
        return time.monotonic() - self._time

    def per_second(self, total: int) -> float:
        """The rate up to this total, from which it goes on."""
        now = time.monotonic()
        rate = (total - self._total) / max(now - self._time, 1e-9)
        self._total, self._time = total, now
        return rate


class ActorRows:
    """Gathers an actor's steps into rows."""

    def __init__(self, index: int):
        """Starts the first row.

        Args:
            index: of the actor, from 0.
        """
        self._index = index
        self._returns: list[float] = []
        self._lengths: list[int] = []
        self._dropped = self._truncated = self._stale_steps = self._parameter_age = 0
        self._steps = 0
        self._rate = Rate()
        self._is_empty = True

    @property
    def is_empty(self) -> bool:
        """Whether there has been no step since the last row was taken."""
        return self._is_empty

    @property
    def seconds(self) -> float:
        """Since the last row was taken."""
        return self._rate.seconds

    def add(self, step: ActorStep, parameter_age: int, *, is_stale: bool = False) -> None:
        """Takes one step in.

        Args:
            step: what it did.
            parameter_age: learner steps that the parameters in use were behind.
            is_stale: whether that was more than is meant to be.
        """
        self._is_empty = False
        self._parameter_age = parameter_age
        if is_stale:
            self._stale_steps += step.num_transitions
        self._dropped += len(step.faults)
        self._truncated += len(step.truncated)
        self._steps += step.num_transitions
        self._returns += step.returns
        self._lengths += step.lengths

    def take(self) -> dict[str, Any]:
        """The row of what has come since the last one; means over the episodes that ended in it."""
        returns, lengths = self._returns, self._lengths
        row = {
            "actor": self._index,
            "episodes": len(returns),
            "episode_return": float(np.mean(returns)) if returns else None,
            "episode_length": float(np.mean(lengths)) if lengths else None,
            "dropped_episodes": self._dropped,
            "truncated_episodes": self._truncated,
            "steps_per_second": self._rate.per_second(self._steps),
            "parameter_age": self._parameter_age,
            "stale_steps": self._stale_steps,
        }
        self._returns, self._lengths = [], []
        self._dropped = self._truncated = self._stale_steps = 0
        self._is_empty = True
        return row


class LearnerRows:
    """Makes rows of what a learner measures and what happens to it."""

    def __init__(self, learner: Learner, guard: DivergenceGuard, checkpoints: CheckpointSchedule):
        """Starts the first row.

        Args:
            learner: whose rows they are.
            guard: of that learner.
            checkpoints: of that learner.
        """
        self._learner = learner
        self._guard = guard
        self._checkpoints = checkpoints
        self._rate = Rate(learner.steps)
        self._before = self._totals(0.0)

    @property
    def seconds(self) -> float:
        """Since the last row was taken."""
        return self._rate.seconds

    def take(
        self, metrics: Mapping[str, Any], waited_s: float, replay_size: int | None
    ) -> dict[str, Any]:
        """The row of what has come since the last one; a metric that is not finite is left empty.

        Args:
            metrics: what `Learner.step` returned last; it is waited for here.
            waited_s: seconds that the learner has waited for replay since it began.
            replay_size: transitions that replay holds, None if that is not known.
        """
        seconds, steps = self.seconds, self._learner.steps
        totals = self._totals(waited_s)
        new = {name: total - self._before[name] for name, total in totals.items()}
        self._before = totals
        values = {name: float(value) for name, value in sorted(metrics.items())}
        return {
            LEARNER_STEPS: steps,
            "steps_per_second": self._rate.per_second(steps),
            "waiting": min(new.pop("waited_s") / max(seconds, 1e-9), 1.0),
            "replay_size": replay_size,
            **new,
            **{name: value if np.isfinite(value) else None for name, value in values.items()},
        }

    def _totals(self, waited_s: float) -> dict[str, float]:
        return {
            "waited_s": waited_s,
            "skipped_steps": self._learner.skipped_steps,
            "rollbacks": self._guard.rollbacks,
            "skipped_checkpoints": self._checkpoints.skipped,
            "checkpoint_seconds": self._checkpoints.seconds,
        }


def evaluation_row(
    result: EvaluationResult, actor_steps: int, learner_steps: int
) -> dict[str, Any]:
    """A row of the evaluator's metrics, with the counts at which the parameters were taken.

    The episodes, in the order of `EvaluationResult`, are rows of their own in it.
    """
    returns = result.returns
    episodes = [
        {"episode": index, "episode_return": float(value), "episode_length": int(length)}
        for index, (value, length) in enumerate(zip(returns, result.lengths, strict=True))
    ]
    return {
        ACTOR_STEPS: actor_steps,
        LEARNER_STEPS: learner_steps,
        "episodes": len(returns),
        "episode_return": float(returns.mean()),
        "episode_return_std": float(returns.std()),
        "episode_return_min": float(returns.min()),
        "episode_return_max": float(returns.max()),
        "episode_length": float(result.lengths.mean()),
        "dropped_episodes": len(result.faults),
        "truncated_episodes": result.num_truncated,
        EACH_EPISODE: episodes,
    }
