"""What a process of a run tells the counter, and what the counter answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from quinoa.launch.run.counts import Counts


@dataclasses.dataclass(frozen=True)
class Report:
    """What one process has counted since it started, and what is new since its last report.

    A report whose answer was lost is sent again. The counter knows by their numbers the rows and
    events that it has seen; these are numbered from 0 by each sender.

    Attributes:
        sender: names the process, and no other one: not the process that it replaces either.
        source: what `totals` are the totals of. They replace those of the source's last report.
        role: what the process does; names the file of its rows.
        totals: what the source has counted.
        rows: rows of metrics; columns for time and counts are filled in where they are missing.
        first_row: the number of the first of `rows`.
        events: lines for the run's log of events, as `events.line` makes them.
        first_event: the number of the first of `events`.
    """

    sender: str
    source: str
    role: str
    totals: Counts = dataclasses.field(default_factory=Counts)
    rows: Sequence[Mapping[str, Any]] = ()
    first_row: int = 0
    events: Sequence[str] = ()
    first_event: int = 0


@dataclasses.dataclass(frozen=True)
class Answer:
    """How far the run is.

    Attributes:
        counts: of the whole run.
        is_over: whether it has done its last step.
        period_s: seconds until the next report is wanted, at the earliest.
    """

    counts: Counts = dataclasses.field(default_factory=Counts)
    is_over: bool = False
    period_s: float = 0.0


# `Counter.report`, or a remote call of it.
Send = Callable[[Report], Answer]
