"""How long a run lasts: so many steps of its actors, or of its learner where it has none."""

from __future__ import annotations

import dataclasses
from typing import Literal

from quinoa.launch.run.counts import ACTOR_STEPS, LEARNER_STEPS, Counts

# The counts that a run's length can be given in.
Unit = Literal["actor_steps", "learner_steps"]
_UNITS = (ACTOR_STEPS, LEARNER_STEPS)


@dataclasses.dataclass(frozen=True)
class Budget:
    """The steps after which a run ends.

    Attributes:
        steps: how many, at least 1.
        unit: of what: `actor_steps`, or `learner_steps` where there are no actors.
    """

    steps: int
    unit: Unit = "actor_steps"

    def __post_init__(self) -> None:
        """Checks both; raises `ValueError`."""
        if self.steps < 1:
            raise ValueError(f"A budget must be at least 1 step, not {self.steps}.")
        if self.unit not in _UNITS:
            raise ValueError(f"A budget is given in {' or '.join(_UNITS)}, not {self.unit!r}.")

    def done(self, counts: Counts) -> int:
        """How many of the steps are done."""
        return counts.learner_steps if self.unit == LEARNER_STEPS else counts.actor_steps

    def is_spent(self, counts: Counts) -> bool:
        """Whether the run has done all of them."""
        return self.done(counts) >= self.steps
