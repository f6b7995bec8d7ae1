"""How far a run is, in numbers that only grow: what it counts, and what the counts are called."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

# The names of the counts in JSON, in reports and as columns of metrics.
ACTOR_STEPS = "actor_steps"
LEARNER_STEPS = "learner_steps"
EPISODES = "episodes"


@dataclasses.dataclass(frozen=True)
class Counts:
    """What has been done, by one process or by a whole run.

    Attributes:
        actor_steps: actions taken by actors in their environments.
        learner_steps: gradient steps.
        episodes: episodes of actors that have ended.
    """

    actor_steps: int = 0
    learner_steps: int = 0
    episodes: int = 0

    def __add__(self, other: Counts) -> Counts:
        """The counts of both together."""
        return Counts(
            self.actor_steps + other.actor_steps,
            self.learner_steps + other.learner_steps,
            self.episodes + other.episodes,
        )

    def __sub__(self, other: Counts) -> Counts:
        """What has been done since the other ones."""
        return Counts(
            self.actor_steps - other.actor_steps,
            self.learner_steps - other.learner_steps,
            self.episodes - other.episodes,
        )

    def __bool__(self) -> bool:
        """Whether anything at all has been counted."""
        return self != Counts()

    def to_json(self) -> dict[str, int]:
        """The counts by name."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, counts: Mapping[str, Any]) -> Counts:
        """The record of counts by name; one that is missing is 0, and other entries are ignored.

        Raises:
            AttributeError, OverflowError, TypeError, ValueError: these are no counts.
        """
        return cls(**{field.name: int(counts.get(field.name, 0)) for field in _FIELDS})


_FIELDS = dataclasses.fields(Counts)
