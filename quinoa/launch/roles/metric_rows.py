"""Rows of metrics of actors, learner and evaluator."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from quinoa.launch.run import columns
from quinoa.launch.run.counts import ACTOR_STEPS, EPISODES, LEARNER_STEPS

if TYPE_CHECKING:
    from quinoa.agents.actor import ActorStep
    from quinoa.agents.evaluation import EvaluationResult
    from quinoa.agents.learner import Learner
    from quinoa.launch.roles.checkpoint_schedule import CheckpointSchedule
    from quinoa.launch.roles.divergence_guard import DivergenceGuard


class Rate:
    """A rate per second, measured from one call of `per_second` to the next."""

    def __init__(self, total: int = 0):
        """Begins to measure, from this total."""
        self._total = total
        self._time = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the last call of `per_second`, or since the beginning."""
        return time.monotonic() - self._time

    def per_second(self, total: int) -> float:
        """The mean rate from the last total to this one, from which the next rate is measured."""
        now = time.monotonic()
        rate = (total - self._total) / max(now - self._time, 1e-9)
        self._total, self._time = total, now
        return rate


class ActorRows:
    """Sums up an actor's steps in rows of metrics."""

    def __init__(self, index: int):
        """Starts the first row.

        Args:
            index: the index of the actor, from 0.
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
        """Seconds since the last row was taken, or since the beginning."""
        return self._rate.seconds

    def add(self, step: ActorStep, parameter_age: int, *, is_stale: bool = False) -> None:
        """Adds one step to the row.

        Args:
            step: the step.
            parameter_age: the number of gradient steps done since those that made the parameters
                that it acted with.
            is_stale: whether that is more than `max_parameter_age`.
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
        """The row of the steps since the last one; its means are over the episodes that ended."""
        returns, lengths = self._returns, self._lengths
        row = {
            columns.ACTOR: self._index,
            EPISODES: len(returns),
            columns.EPISODE_RETURN: float(np.mean(returns)) if returns else None,
            columns.EPISODE_LENGTH: float(np.mean(lengths)) if lengths else None,
            columns.DROPPED_EPISODES: self._dropped,
            columns.TRUNCATED_EPISODES: self._truncated,
            columns.STEPS_PER_SECOND: self._rate.per_second(self._steps),
            columns.PARAMETER_AGE: self._parameter_age,
            columns.STALE_STEPS: self._stale_steps,
        }
        self._returns, self._lengths = [], []
        self._dropped = self._truncated = self._stale_steps = 0
        self._is_empty = True
        return row


class LearnerRows:
    """Sums up a learner's measurements, and what was done about its failures, in rows."""

    def __init__(self, learner: Learner, guard: DivergenceGuard, checkpoints: CheckpointSchedule):
        """Starts the first row.

        Args:
            learner: the learner.
            guard: counts its rollbacks.
            checkpoints: counts those that were skipped, and measures the time of writing them.
        """
        self._learner = learner
        self._guard = guard
        self._checkpoints = checkpoints
        self._rate = Rate(learner.steps)
        self._before = self._totals(0.0)

    @property
    def seconds(self) -> float:
        """Seconds since the last row was taken, or since the beginning."""
        return self._rate.seconds

    def take(
        self, metrics: Mapping[str, Any], waited_s: float, replay_size: int | None
    ) -> dict[str, Any]:
        """The row of the time since the last one; a metric that is not finite is left empty.

        Args:
            metrics: what `Learner.step` returned last. This waits until the device has it.
            waited_s: seconds that the learner has waited for replay since its beginning.
            replay_size: the number of transitions in replay, None if that is not known.
        """
        seconds, steps = self.seconds, self._learner.steps
        totals = self._totals(waited_s)
        new = {name: total - self._before[name] for name, total in totals.items()}
        self._before = totals
        values = {name: float(value) for name, value in sorted(metrics.items())}
        return {
            LEARNER_STEPS: steps,
            columns.STEPS_PER_SECOND: self._rate.per_second(steps),
            columns.WAITING: min(new.pop("waited_s") / max(seconds, 1e-9), 1.0),
            columns.REPLAY_SIZE: replay_size,
            **new,
            **{name: value if np.isfinite(value) else None for name, value in values.items()},
        }

    def _totals(self, waited_s: float) -> dict[str, float]:
        return {
            "waited_s": waited_s,
            columns.SKIPPED_STEPS: self._learner.skipped_steps,
            columns.ROLLBACKS: self._guard.rollbacks,
            columns.SKIPPED_CHECKPOINTS: self._checkpoints.skipped,
            columns.CHECKPOINT_SECONDS: self._checkpoints.seconds,
        }


def evaluation_row(
    result: EvaluationResult, actor_steps: int, learner_steps: int
) -> dict[str, Any]:
    """A row of the evaluator's metrics, with the counts at which the parameters were taken.

    Under `EACH_EPISODE` it has a row for each episode, in the order of `EvaluationResult`.
    """
    returns = result.returns
    episodes = [
        {
            columns.EPISODE: index,
            columns.EPISODE_RETURN: float(value),
            columns.EPISODE_LENGTH: int(length),
        }
        for index, (value, length) in enumerate(zip(returns, result.lengths, strict=True))
    ]
    return {
        ACTOR_STEPS: actor_steps,
        LEARNER_STEPS: learner_steps,
        EPISODES: len(returns),
        columns.EPISODE_RETURN: float(returns.mean()),
        columns.EPISODE_RETURN_STD: float(returns.std()),
        columns.EPISODE_RETURN_MIN: float(returns.min()),
        columns.EPISODE_RETURN_MAX: float(returns.max()),
        columns.EPISODE_LENGTH: float(result.lengths.mean()),
        columns.DROPPED_EPISODES: len(result.faults),
        columns.TRUNCATED_EPISODES: result.num_truncated,
        columns.EACH_EPISODE: episodes,
    }
