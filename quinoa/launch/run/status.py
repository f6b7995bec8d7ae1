"""How far a run is and how it goes, as its counter says it and `status.json` holds it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from quinoa.launch.run.budget import Budget, Unit
from quinoa.launch.run.counts import ACTOR_STEPS, LEARNER_STEPS, Counts
from quinoa.launch.storage.saved_json import parsing_file, read_object

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Rates:
    """How fast a run goes, over its last seconds; None where that is not known.

    Attributes:
        actor_steps_per_second: of all actors.
        learner_steps_per_second: gradient steps.
        updates_per_step: gradient steps for each actor step.
    """

    actor_steps_per_second: float | None = None
    learner_steps_per_second: float | None = None
    updates_per_step: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Status:
    """A run at one moment; None is what is not known (yet).

    Attributes:
        counts: what has been done.
        steps: at which the run ends.
        unit: of what these steps are.
        rates: how fast it goes.
        actor_return: mean over the actors' latest reports.
        evaluation_return: of the latest evaluation.
        log_likelihood: of the demonstrations that a learner without actors learns from.
        replay_size: transitions in replay.
        waiting: the share of its time that the learner waits for replay, from 0 to 1.
        parameter_age: of the actor whose parameters are oldest, in gradient steps.
        wall_time: when all that was so, in seconds since 1970.
        restarts: how often processes were started again; None where nothing ever is, as in one
            process, or where that is not said, as in `status.json`.
    """

    counts: Counts
    steps: int
    unit: Unit = "actor_steps"
    rates: Rates = Rates()
    actor_return: float | None = None
    evaluation_return: float | None = None
    log_likelihood: float | None = None
    replay_size: int | None = None
    waiting: float | None = None
    parameter_age: int | None = None
    wall_time: float
    restarts: int | None = None

    @property
    def latest_return(self) -> float | None:
        """The evaluation's, or the actors' until there is one."""
        return self.actor_return if self.evaluation_return is None else self.evaluation_return

    @property
    def latest_value(self) -> float | None:
        """The latest return or, of a run without actors, log-likelihood."""
        return self.log_likelihood if self.unit == LEARNER_STEPS else self.latest_return

    @property
    def has_all_steps(self) -> bool:
        """Whether the last step has been done."""
        return self.done >= self.steps

    @property
    def done(self) -> int:
        """How many of its steps the run has done."""
        return Budget(self.steps, self.unit).done(self.counts)

    def to_json(self) -> dict[str, Any]:
        """The fields by name, those of the counts and the rates among them.

        What is of runs without actors alone is left out of others.
        """
        fields = {name: value for name, value in vars(self).items() if name not in _PARTS}
        if fields["restarts"] is None:
            del fields["restarts"]
        if self.unit == ACTOR_STEPS:
            del fields["unit"], fields["log_likelihood"]
        return {
            **self.counts.to_json(),
            "steps": fields.pop("steps"),
            **dataclasses.asdict(self.rates),
            **fields,
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Status:
        """The record of fields by name.

        What an older version did not write is None, but for the actor and learner steps, `steps`
        and `wall_time`, which every version has written.

        Raises:
            AttributeError, LookupError, OverflowError, TypeError, ValueError: it is none.
        """

        def known(name: str, kind: Callable[[Any], T]) -> T | None:
            value = fields.get(name)
            return None if value is None else kind(value)

        for name in ("actor_steps", "learner_steps"):
            fields[name]
        return cls(
            counts=Counts.from_json(fields),
            steps=int(fields["steps"]),
            unit="learner_steps" if fields.get("unit") == LEARNER_STEPS else "actor_steps",
            rates=Rates(**{rate.name: known(rate.name, float) for rate in _RATES}),
            actor_return=known("actor_return", float),
            evaluation_return=known("evaluation_return", float),
            log_likelihood=known("log_likelihood", float),
            replay_size=known("replay_size", int),
            waiting=known("waiting", float),
            parameter_age=known("parameter_age", int),
            wall_time=float(fields["wall_time"]),
            restarts=known("restarts", int),
        )


# The fields of a status that are records themselves, whose fields JSON has beside the others.
_PARTS = ("counts", "rates")
_RATES = dataclasses.fields(Rates)


def read(path: Path) -> Status | None:
    """Reads `RunFolder.status`.

    Returns:
        The status; None where there is none yet.

    Raises:
        RunError: the file cannot be read, is damaged, or was written by another version.
    """
    fields = read_object(path)
    with parsing_file(path):
        return None if fields is None else Status.from_json(fields)
