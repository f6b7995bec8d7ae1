"""What a run is meant to reach and to keep to, which its progress is shown against."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quinoa.launch.experiment import Experiment


@dataclasses.dataclass(frozen=True)
class Goal:
    """The numbers of an experiment that its progress is shown against.

    Attributes:
        steps: actor steps of the whole run.
        updates_per_step: gradient steps for each actor step; None where no ratio is held.
        min_replay_size: transitions that replay holds before the first gradient step.
        max_replay_size: transitions that it holds at most.
    """

    steps: int
    updates_per_step: float | None
    min_replay_size: int
    max_replay_size: int

    @classmethod
    def of(cls, experiment: Experiment) -> Goal:
        """That of an experiment."""
        config = dataclasses.asdict(experiment.agent_config)
        return cls._of(experiment.steps, experiment.samples_per_insert, config)

    @classmethod
    def of_json(cls, fields: Mapping[str, Any]) -> Goal:
        """That of an experiment as `Experiment.save` writes it, without importing its agent.

        Raises:
            KeyError, TypeError, ValueError, ZeroDivisionError: it is none.
        """
        ratio = fields["samples_per_insert"]
        ratio = None if ratio is None else float(ratio)
        return cls._of(int(fields["steps"]), ratio, fields["agent_config"])

    @classmethod
    def _of(cls, steps: int, ratio: float | None, config: Mapping[str, Any]) -> Goal:
        # An on-policy agent learns from each transition once, a batch at a time.
        samples_per_insert = config.get("samples_per_insert", 1.0) if ratio is None else ratio
        return cls(
            steps,
            samples_per_insert / config["batch_size"] or None,
            config.get("min_replay_size", config["batch_size"]),
            config.get("max_replay_size", config["batch_size"]),
        )
