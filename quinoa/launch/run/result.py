"""How a run ended, as its engine says it and `result.json` holds it."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from quinoa.launch.errors import RunError
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.saved_json import parsing_file, read_object


class Outcome(str, enum.Enum):
    """In which way a run ended."""

    FINISHED = "finished"  # at its last step
    STOPPED = "stopped"  # by a signal, in order
    KILLED = "killed"  # by a second signal, before everything was saved
    FAILED = "failed"

    __str__ = str.__str__


@dataclasses.dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        outcome: in which way.
        failed_node: the name of the process that failed, if one did.
        error: what that said, in full.
        restarts: how often processes were started again, by their roles.
        seconds_lost: to that, over all of them.
        final_returns: of the episodes of the final evaluation; None where there was none.
        final_metrics: what a learner without actors measured last, by name; None where it did not.
    """

    outcome: Outcome
    failed_node: str | None = None
    error: str | None = None
    restarts: Mapping[str, int] = dataclasses.field(default_factory=dict)
    seconds_lost: float = 0.0
    final_returns: Sequence[float] | None = None
    final_metrics: Mapping[str, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields by name; `final_metrics` only where there are some."""
        fields = dataclasses.asdict(self)
        if fields["final_metrics"] is None:
            del fields["final_metrics"]
        return fields

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> RunResult:
        """The record of fields by name; those that an older version did not write are the defaults.

        Raises:
            AttributeError, LookupError, TypeError, ValueError: it is none.
        """
        returns, metrics = fields.get("final_returns"), fields.get("final_metrics")
        return cls(
            outcome=Outcome(fields["outcome"]),
            failed_node=_text(fields.get("failed_node")),
            error=_text(fields.get("error")),
            restarts={str(role): int(n) for role, n in fields.get("restarts", {}).items()},
            seconds_lost=float(fields.get("seconds_lost", 0.0)),
            final_returns=None if returns is None else [float(value) for value in returns],
            final_metrics=None
            if metrics is None
            else {str(name): float(value) for name, value in metrics.items()},
        )


def is_complete(folder: RunFolder) -> bool:
    """Whether a run has finished and measured what it has learned at its end.

    A final evaluation may have failed or been skipped, and can be made up for.
    """
    try:
        result = read(folder.result)
    except RunError:
        return False
    if result is None or result.outcome is not Outcome.FINISHED:
        return False
    return result.final_returns is not None or result.final_metrics is not None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def read(path: Path) -> RunResult | None:
    """Reads `RunFolder.result`.

    Returns:
        The result; None where the run has not ended, or not said how.

    Raises:
        RunError: the file cannot be read, is damaged, or was written by another version.
    """
    fields = read_object(path)
    with parsing_file(path):
        return None if fields is None else RunResult.from_json(fields)


def outcome_of(folder: RunFolder) -> Outcome | None:
    """In which way a run ended; None where it has not, or where that cannot be read."""
    try:
        result = read(folder.result)
    except RunError:
        return None
    return None if result is None else result.outcome
