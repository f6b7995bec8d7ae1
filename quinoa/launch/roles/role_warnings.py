"""Warnings of what goes wrong where a policy acts, and need not end the run."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import TYPE_CHECKING

from quinoa.launch.run import events, node_warnings
from quinoa.launch.run.events import EventKind

if TYPE_CHECKING:
    from quinoa.environments import EnvironmentFault

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
