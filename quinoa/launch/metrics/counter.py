"""How far a run is, over all its processes, and what they measured and warned of."""

from __future__ import annotations

import collections
import dataclasses
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from quinoa.launch.metrics.metrics_log import MetricsLog
from quinoa.launch.metrics.rates import RateMeter, scalars_of
from quinoa.launch.run import columns, events
from quinoa.launch.run.budget import Budget
from quinoa.launch.run.counts import ACTOR_STEPS, LEARNER_STEPS, Counts
from quinoa.launch.run.events import EventKind
from quinoa.launch.run.reports import Answer, Report
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.run.status import Status
from quinoa.launch.storage.files import read_json, write_json
from quinoa.launch.terminal.output import say

# The name under which the learner reports, whichever process it is.
LEARNER_SOURCE = Role.LEARNER.value

# The actors' return shown as progress is the mean over so many of their latest reports.
_REPORTS_IN_MEAN = 20

# Seconds from one scalar of the run's rates to the next.
_RATES_S = 5.0

# Reports of actors a second, all together, that one process takes with ease (0.5 ms each). Where
# there are more actors than that allows, each is to report less often, but after these seconds.
_REPORTS_PER_S = 250.0
_MAX_PERIOD_S = 10.0
# Seconds without a report after which an actor is counted no more.
_FORGET_S = 3 * _MAX_PERIOD_S

# Seconds for which `close` tries to write what a full disk has not taken, and between two tries.
_CLOSE_S = 2.0
_RETRY_S = 0.1


class Counter:
    """Adds up what the processes count, writes their metrics and events, says when a run is over.

    Each process reports its own totals, and its rows and events with their numbers, so that a
    report which is repeated because its answer was lost counts once.
    """

    def __init__(self, folder: RunFolder, budget: Budget, start: Counts | None = None):
        """Starts counting.

        Args:
            folder: of the run.
            budget: the steps after which the run is over.
            start: the counts to start from; None is from zero.
        """
        self._budget = budget
        self._folder = folder
        start = start or Counts()
        # A counter that is started again continues the files of the one before.
        is_second = folder.counter.is_file()
        self._log = MetricsLog(
            folder, resumed_at=0 if is_second else budget.done(start), unit=budget.unit
        )
        # The learner's own total counts from the run's beginning; the others' from now.
        self._totals = {
            LEARNER_SOURCE: Counts(learner_steps=start.learner_steps),
            "before": dataclasses.replace(start, learner_steps=0),
        }
        self._counts = sum(self._totals.values(), Counts())
        # When each actor reported last.
        self._actors_seen: dict[str, float] = {}
        self._rows_seen: dict[str, int] = collections.defaultdict(int)
        self._events_seen: dict[str, int] = collections.defaultdict(int)
        # A counter before this one may have written events and not have answered that it did.
        self._events_before = events.lines(folder.events)
        if is_second:
            # The counts of processes that have ended are nowhere else.
            state = read_json(folder.counter)
            self._totals.update(
                {source: Counts.from_json(totals) for source, totals in state["totals"].items()}
            )
            self._counts = sum(self._totals.values(), Counts())
            self._rows_seen.update(state["rows_seen"])
        self._actor_returns: collections.deque[float] = collections.deque(maxlen=_REPORTS_IN_MEAN)
        self._evaluation_return: float | None = None
        self._log_likelihood: float | None = None
        # The last row of each actor, by its index; and of the learner.
        self._actors: dict[int, Mapping[str, Any]] = {}
        self._learner: Mapping[str, Any] = {}
        self._rate_meter = RateMeter()
        self._next_rates = time.monotonic() + _RATES_S
        self._lock = threading.Lock()
        self._disk_failing_since: float | None = None

    def report(self, report: Report) -> Answer:
        """Takes what one process counted, measured and warned of; answers how far the run is."""
        with self._lock:
            self._counts += report.totals - self._totals.get(report.source, Counts())
            self._totals[report.source] = report.totals
            counts = self._counts
            sender = report.sender
            for row in report.rows[max(self._rows_seen[sender] - report.first_row, 0) :]:
                now = {
                    columns.WALL_TIME: time.time(),
                    ACTOR_STEPS: counts.actor_steps,
                    LEARNER_STEPS: counts.learner_steps,
                }
                self._record(report.role, {**now, **row})
            self._rows_seen[sender] = max(
                self._rows_seen[sender], report.first_row + len(report.rows)
            )
            for line in report.events[max(self._events_seen[sender] - report.first_event, 0) :]:
                if line not in self._events_before:
                    events.append_line(self._folder.events, line)
            self._events_seen[sender] = max(
                self._events_seen[sender], report.first_event + len(report.events)
            )
            period_s = 0.0
            if report.role == Role.ACTOR:
                self._actors_seen[sender] = time.monotonic()
                period_s = min(len(self._actors_seen) / _REPORTS_PER_S, _MAX_PERIOD_S)
            return Answer(counts, is_over=self._budget.is_spent(counts), period_s=period_s)

    def status(self) -> Status:
        """How far the run is and how it goes."""
        with self._lock:
            returns = self._actor_returns
            ages = [row[columns.PARAMETER_AGE] for row in self._actors.values()]
            return Status(
                counts=self._counts,
                steps=self._budget.steps,
                unit=self._budget.unit,
                rates=self._rate_meter.rates(),
                actor_return=sum(returns) / len(returns) if returns else None,
                evaluation_return=self._evaluation_return,
                log_likelihood=self._log_likelihood,
                replay_size=self._learner.get(columns.REPLAY_SIZE),
                waiting=self._learner.get(columns.WAITING),
                parameter_age=max(ages, default=None),
                wall_time=time.time(),
            )

    def save(self) -> bool:
        """Writes the status and the metrics so far to the run's folder.

        What does not fit on a full disk waits in memory for the next call (see `RecordFile`). When
        there is room again, an event tells how long there was none.

        Returns:
            Whether all is written.
        """
        with self._lock:
            counts = self._counts
            self._forget_actors()
            self._rate_meter.add(counts.actor_steps, counts.learner_steps)
            self._log_rates(self._budget.done(counts))
            is_written = all([self._log.flush(), events.flush(self._folder.events)])
            state = {
                "totals": {source: totals.to_json() for source, totals in self._totals.items()},
                "rows_seen": dict(self._rows_seen),
            }
        try:
            write_json(self._folder.counter, state)
            write_json(self._folder.status, self.status().to_json())
        except OSError as error:
            is_written = False
            if self._disk_failing_since is None:
                say(
                    f"quinoa: note: {self._folder.status} cannot be written ({error.strerror}): "
                    "make room. The run continues, and its steps are counted.",
                    sys.stderr,
                )
        self._note_disk(is_written)
        return is_written

    def close(self) -> None:
        """Saves, closes the files, and removes what only a restarted counter would need."""
        deadline = time.monotonic() + _CLOSE_S
        while not self.save() and time.monotonic() < deadline:
            time.sleep(_RETRY_S)
        self._folder.counter.unlink(missing_ok=True)
        with self._lock:
            self._log.close()

    def _note_disk(self, is_written: bool) -> None:
        """Keeps track of a disk that takes nothing, and records its end as an event."""
        if not is_written and self._disk_failing_since is None:
            self._disk_failing_since = time.monotonic()
        elif is_written and self._disk_failing_since is not None:
            seconds = time.monotonic() - self._disk_failing_since
            self._disk_failing_since = None
            events.append(
                self._folder.events,
                EventKind.DISK_FULL,
                Role.COUNTER,
                seconds=seconds,
                lost=self._log.num_lost,
            )

    def _forget_actors(self) -> None:
        """Forgets those that report no more."""
        oldest = time.monotonic() - _FORGET_S
        self._actors_seen = {
            sender: seen for sender, seen in self._actors_seen.items() if seen >= oldest
        }

    def _log_rates(self, steps: int) -> None:
        """Writes the rates of the run as a whole for TensorBoard; no single process knows them."""
        if time.monotonic() < self._next_rates:
            return
        self._next_rates = time.monotonic() + _RATES_S
        if rates := scalars_of(self._rate_meter.rates()):
            self._log.write_scalars(rates, step=steps, wall_time=time.time())

    def _record(self, role: str, row: Mapping[str, Any]) -> None:
        self._log.write(role, row)
        value = row.get(columns.EPISODE_RETURN)
        if role == Role.ACTOR:
            if value is not None:
                self._actor_returns.append(value)
            if columns.PARAMETER_AGE in row:
                self._actors[row[columns.ACTOR]] = row
        elif role == Role.LEARNER:
            self._learner = row
            # None where a step has been shortened.
            if (value := row.get(columns.LOG_LIKELIHOOD)) is not None:
                self._log_likelihood = value
        elif role == Role.EVALUATOR:
            self._evaluation_return = value
