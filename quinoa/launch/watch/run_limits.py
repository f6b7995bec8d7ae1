"""The limits of a run, which its progress is shown against: steps, updates, replay."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from quinoa.launch.run.budget import Unit
from quinoa.launch.run.counts import ACTOR_STEPS

if TYPE_CHECKING:
    from quinoa.launch.experiment import Experiment


@dataclasses.dataclass(frozen=True)
class RunLimits:
    """The numbers of an experiment that its progress is shown against.

    Attributes:
        steps: of the whole run.
        unit: of what these are: gradient steps where there are no actors.
        updates_per_step: gradient steps for each actor step; None where that is not fixed.
        min_replay_size: transitions in replay before the first gradient step.
        max_replay_size: transitions in replay at most.
    """

    steps: int
    updates_per_step: float | None
    min_replay_size: int
    max_replay_size: int
    unit: Unit = "actor_steps"

    @property
    def has_actors(self) -> bool:
        """Whether the run has any."""
        return self.unit == ACTOR_STEPS

    @classmethod
    def of(cls, experiment: Experiment) -> RunLimits:
        """The limits that an experiment sets."""
        if not experiment.config.has_actors:
            return cls._without_actors(experiment.steps)
        config = dataclasses.asdict(experiment.agent_config)
        return cls._of(experiment.steps, experiment.samples_per_insert, config)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> RunLimits:
        """The limits of an experiment as `Experiment.save` writes it, without importing its agent.

        Raises:
            ArithmeticError, LookupError, TypeError, ValueError: these are no such fields.
        """
        if not fields["environment"]:
            return cls._without_actors(int(fields["steps"]))
        ratio = fields["samples_per_insert"]
        ratio = None if ratio is None else float(ratio)
        return cls._of(int(fields["steps"]), ratio, fields["agent_config"])

    @classmethod
    def _without_actors(cls, steps: int) -> RunLimits:
        return cls(steps, None, 0, 0, "learner_steps")

    @classmethod
    def _of(cls, steps: int, ratio: float | None, config: Mapping[str, Any]) -> RunLimits:
        # An on-policy agent learns from each transition once, a batch at a time.
        samples_per_insert = config.get("samples_per_insert", 1.0) if ratio is None else ratio
        return cls(
            steps,
            samples_per_insert / config["batch_size"] or None,
            config.get("min_replay_size", config["batch_size"]),
            config.get("max_replay_size", config["batch_size"]),
        )
