"""Warnings of what goes wrong where a policy acts, and need not end the run."""

from __future__ import annotations

import collections
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from quinoa.launch.run import events, node_warnings
from quinoa.launch.run.events import EventKind

if TYPE_CHECKING:
    from quinoa.environments import BatchStep, EnvironmentFault

# An evaluation without an ended episode is warned of after so many seconds, and actions of each of
# its environments: the episodes of most tasks have no more than a thousand.
_UNENDED_S = 10.0
_UNENDED_ACTIONS = 2_000
# Of the warnings of one kind, the first ones are said, and then one in a hundred.
_FIRST = 10
_ONE_IN = 100


class RoleWarnings:
    """Warns of an actor's or an evaluator's troubles, on standard error and in the run's events."""

    def __init__(self, node: str, record: events.Record | None):
        """Has nothing to say yet.

        Args:
            node: the name of the node, such as `actor-0`.
            record: takes lines for the run's events, such as `Reporter.add_event`; None to warn on
                standard error only.
        """
        self._warn_of = node_warnings.warner(node, record)
        self._counts: collections.Counter[EventKind] = collections.Counter()
        self._is_old = False

    def dropped(self, faults: Sequence[EnvironmentFault]) -> None:
        """Warns of episodes that were dropped, one for each fault."""
        for fault in faults:
            self._warn(
                EventKind.EPISODE_DROPPED,
                f"an episode was dropped, the others continue: {fault}",
                kind=fault.kind.value,
            )

    def truncated(self, num_episodes: int, max_episode_steps: int) -> None:
        """Warns, once, of episodes that were cut off at the limit on their length."""
        if num_episodes and not self._counts[EventKind.EPISODE_TRUNCATED]:
            self._warn(
                EventKind.EPISODE_TRUNCATED,
                f"an episode was cut off after {max_episode_steps} actions, as later ones will be "
                "(--max_episode_steps); they are counted in the metrics",
            )

    def no_episode_ended(self, num_actions: int, max_episode_steps: int) -> None:
        """Warns, once, of an evaluation none of whose episodes has ended for long.

        Args:
            num_actions: so far, of each of its episodes.
            max_episode_steps: the limit on their length.
        """
        if not self._counts[EventKind.NO_EPISODE_ENDED]:
            self._warn(
                EventKind.NO_EPISODE_ENDED,
                f"no episode of an evaluation has ended after {num_actions} actions: if the "
                f"environment ends none, each lasts {max_episode_steps} actions; "
                "--max_episode_steps makes them shorter",
                actions=num_actions,
            )

    def parameter_age(self, age: int, max_age: int) -> bool:
        """Tells whether the parameters acted with are too old, and warns when they become so.

        Args:
            age: in gradient steps.
            max_age: the most that is not too old.
        """
        is_old = age > max_age
        if is_old and not self._is_old:
            self._warn(
                EventKind.PARAMETERS_OLD,
                f"it acts with parameters that are {age} gradient steps old, more than "
                f"--max_parameter_age={max_age}",
                age=age,
            )
        self._is_old = is_old
        return is_old

    def _warn(self, event: EventKind, text: str, **details: object) -> None:
        self._counts[event] += 1
        count = self._counts[event]
        if count > _FIRST and count % _ONE_IN:
            return
        number = f" (number {count})" if count > 1 else ""
        self._warn_of(event, f"{text}{number}.", count=count, **details)


class UnendedEpisodes:
    """Warns where no episode of an evaluation ends; called after each of its steps."""

    def __init__(self, warnings: RoleWarnings, max_episode_steps: int):
        """The evaluation begins now.

        Args:
            warnings: is told.
            max_episode_steps: the limit on the length of its episodes.
        """
        self._warnings = warnings
        self._max_episode_steps = max_episode_steps
        self._begun = time.monotonic()
        self._num_actions = 0
        self._is_over = False

    def __call__(self, observation: object, action: object, step: BatchStep) -> None:
        """See `on_step` of `quinoa.agents.evaluation.evaluate`."""
        del observation, action
        self._num_actions += 1
        self._is_over = self._is_over or bool(step.last.any())
        if self._is_over or self._num_actions < _UNENDED_ACTIONS:
            return
        if time.monotonic() - self._begun >= _UNENDED_S:
            self._warnings.no_episode_ended(self._num_actions, self._max_episode_steps)
            self._is_over = True
