"""Reports as the processes of a run make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quinoa.launch.metrics.counter import Counter
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.reports import Answer, Report


def report(
    counter: Counter,
    source: str,
    role: str = "actor",
    *,
    rows: Sequence[Mapping[str, Any]] = (),
    first_row: int = 0,
    events: Sequence[str] = (),
    first_event: int = 0,
    **counts: int,
) -> Answer:
    """Has a counter take what a process reports that is the only one of its source."""
    return counter.report(
        Report(source, source, role, Counts(**counts), rows, first_row, events, first_event)
    )
