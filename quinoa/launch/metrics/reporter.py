"""How whatever counts or measures something tells the counter."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

Report = Callable[..., Mapping[str, Any]]

# Seconds that another process may be out of reach before that is an error. One that has died is
# noticed by the engine; this is for one that hangs, and must outlast a start on a busy machine.
PATIENCE_S = 300.0


# Seconds between two looks for a first answer.
_WAIT_S = 0.02


class Reporter:
    """Gathers totals and rows of metrics until `send`, and knows the run's counts as of then."""

    def __init__(self, report: Report, role: str, *, source: str | None = None):
        """Has nothing to send yet.

        Args:
            report: `Counter.report`, or a remote call of it.
            role: what this is: names the file of its rows.
            source: names this reporter; by default something that no other one has, that of a
                restarted process neither, so that its counts add to those from before.
        """
        self._report = report
        self._role = role
        self._source = source or f"{role}-{uuid.uuid4().hex}"
        self._lock = threading.Lock()
        self._totals: dict[str, int] = {}
        self._first_row = 0
        self._rows: list[dict[str, Any]] = []
        self._answer: Mapping[str, Any] = {}

    @property
    def stop(self) -> bool:
        """Whether the run is over."""
        return bool(self._answer.get("stop", False))

    def count(self, kind: str) -> int:
        """The run's count of one kind; 0 before the first report."""
        return int(self._answer.get(kind, 0))

    def add(self, kind: str, increment: int) -> None:
        """Adds to this reporter's own total of one kind."""
        with self._lock:
            self._totals[kind] = self._totals.get(kind, 0) + increment

    def set_total(self, kind: str, total: int) -> None:
        """Sets this reporter's own total of one kind."""
        with self._lock:
            self._totals[kind] = total

    def record(self, row: Mapping[str, Any]) -> None:
        """Has a row of metrics written."""
        with self._lock:
            self._rows.append(dict(row))

    def send(self) -> None:
        """Reports, and takes the answer."""
        with self._lock:
            totals, first_row, rows = dict(self._totals), self._first_row, list(self._rows)
        self._answer = self._report(self._source, self._role, totals, first_row, rows)
        with self._lock:
            self._first_row += len(rows)
            del self._rows[: len(rows)]


class BackgroundReporter(Reporter):
    """Sends from a thread of its own, so that whoever counts never waits for the counter."""

    def __init__(
        self,
        report: Report,
        role: str,
        *,
        source: str | None = None,
        period_s: float = 0.2,
        patience_s: float = PATIENCE_S,
    ):
        """Starts reporting.

        Args:
            report: see `Reporter`.
            role: see `Reporter`.
            source: see `Reporter`.
            period_s: seconds from one report to the next.
            patience_s: seconds of failing reports after which `stop` raises.
        """
        super().__init__(report, role, source=source)
        self._period_s = period_s
        self._patience_s = patience_s
        self._error: Exception | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)
        self._thread.start()

    @property
    def stop(self) -> bool:
        """Whether the run is over.

        Raises:
            ConnectionError: the counter has been out of reach for too long.
        """
        self._check()
        return super().stop

    def wait_for_answer(self, should_stop: Callable[[], bool]) -> bool:
        """Waits until the counter has answered once; until then every count is 0.

        Args:
            should_stop: asked often; ends the wait when it is true.

        Returns:
            Whether it has.

        Raises:
            ConnectionError: the counter has been out of reach for too long.
        """
        while not self._answer:
            self._check()
            if should_stop() or self._closed.wait(_WAIT_S):
                return False
        return True

    def close(self) -> None:
        """Sends what is left and stops reporting.

        Raises:
            ConnectionError: the counter did not take it.
        """
        self._closed.set()
        self._thread.join()
        self._check()
        try:
            self.send()
        except Exception as error:
            raise ConnectionError(f"The counter did not take the last report: {error}") from error

    def _check(self) -> None:
        if self._error is not None:
            raise ConnectionError(
                f"The counter did not answer for {self._patience_s:.0f} s: {self._error}"
            ) from self._error

    def _run(self) -> None:
        last_answer = time.monotonic()
        while not self._closed.wait(self._period_s):
            try:
                self.send()
                last_answer = time.monotonic()
            except Exception as error:
                if time.monotonic() - last_answer > self._patience_s:
                    self._error = error
                    return
