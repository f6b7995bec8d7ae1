"""How a process that counts or measures something tells the counter."""

from __future__ import annotations

import contextlib
import threading
import time
import types
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from quinoa.launch.run.counts import Counts
from quinoa.launch.run.reports import Answer, Report, Send

# Seconds that another process may be out of reach before that is an error. One that has died is
# noticed by the engine; this is for one that hangs, and must outlast a start on a busy machine.
UNREACHABLE_S = 300.0

# Seconds between two looks for a first answer.
_WAIT_S = 0.02


class Reporter:
    """Gathers counts, rows of metrics and events until `send`; knows the run's counts as of then.

    What was given to it before the counter answered is sent again with the next report, under the
    same numbers: it is written once, however often an answer is lost or the counter is restarted.
    """

    def __init__(self, send: Send, role: str, *, source: str | None = None):
        """Has nothing to send yet.

        Args:
            send: `Counter.report`, or a remote call of it.
            role: what this process does; names the file of its rows.
            source: whose totals these are, where a restarted process continues the count of
                the one before. By default the source is new, and its counts add to those
                of the process before.
        """
        self._send = send
        self._role = role
        self._sender = f"{role}-{uuid.uuid4().hex}"
        self._source = source or self._sender
        self._lock = threading.Lock()
        self._actor_steps = self._episodes = self._learner_steps = 0
        self._rows: list[dict[str, Any]] = []
        self._events: list[str] = []
        self._first_row = self._first_event = 0
        self._answer: Answer | None = None
        self._answered_at = 0.0
        self._counts = Counts()
        # Gradient steps a second, between the last two answers.
        self._learning_rate = 0.0

    @property
    def stop(self) -> bool:
        """Whether the run is over."""
        return self._answer is not None and self._answer.is_over

    @property
    def counts(self) -> Counts:
        """The run's counts; all 0 before the first answer."""
        return self._counts

    @property
    def learner_steps(self) -> int:
        """The run's gradient steps by now.

        Those of the last answer, and what the learner does until the next one if it is as fast as
        before: where there are many actors, an answer is some seconds old.
        """
        if self._answer is None:
            return 0
        since_s = min(time.monotonic() - self._answered_at, self._answer.period_s)
        return self._counts.learner_steps + int(self._learning_rate * since_s)

    def add(self, actor_steps: int, episodes: int = 0) -> None:
        """Adds to this process's own counts."""
        with self._lock:
            self._actor_steps += actor_steps
            self._episodes += episodes

    def set_learner_steps(self, total: int) -> None:
        """Sets this process's own count of gradient steps."""
        self._learner_steps = total

    def record(self, row: Mapping[str, Any]) -> None:
        """Has a row of metrics written."""
        with self._lock:
            self._rows.append(dict(row))

    def add_event(self, line: str) -> None:
        """Has a line, as `events.line` makes it, added to the run's events."""
        with self._lock:
            self._events.append(line)

    def send(self) -> None:
        """Reports, and takes the answer."""
        with self._lock:
            report = Report(
                self._sender,
                self._source,
                self._role,
                Counts(self._actor_steps, self._learner_steps, self._episodes),
                tuple(self._rows),
                self._first_row,
                tuple(self._events),
                self._first_event,
            )
        answer = self._send(report)
        now = time.monotonic()
        learned = answer.counts.learner_steps - self._counts.learner_steps
        if self._answer is not None and now > self._answered_at:
            self._learning_rate = max(learned, 0) / (now - self._answered_at)
        self._answer, self._counts, self._answered_at = answer, answer.counts, now
        with self._lock:
            self._first_row += len(report.rows)
            del self._rows[: len(report.rows)]
            self._first_event += len(report.events)
            del self._events[: len(report.events)]


class BackgroundReporter(Reporter):
    """Sends from a thread of its own, so that what counts and measures never waits for the counter.

    As a context it is closed at its end. Where that is an error, what is left is sent if the
    counter can be reached, and the error stays as it is.
    """

    def __init__(
        self,
        send: Send,
        role: str,
        *,
        source: str | None = None,
        learner_steps: int = 0,
        period_s: float = 0.2,
        patience_s: float = UNREACHABLE_S,
    ):
        """Starts reporting.

        Args:
            send: see `Reporter`.
            role: see `Reporter`.
            source: see `Reporter`.
            learner_steps: this process's own count of gradient steps at first. The first report is
                sent at once, perhaps before `set_learner_steps` is called: without it a learner
                that has been started again would take back what the run has counted.
            period_s: seconds from one report to the next, or more where the counter wants that; an
                event is sent at once.
            patience_s: seconds of failing reports after which `stop` raises.
        """
        super().__init__(send, role, source=source)
        self.set_learner_steps(learner_steps)
        self._period_s = period_s
        self._patience_s = patience_s
        self._error: Exception | None = None
        self._is_closed = False
        self._due = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)
        self._thread.start()

    def __enter__(self) -> BackgroundReporter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        with contextlib.nullcontext() if error is None else contextlib.suppress(ConnectionError):
            self.close()

    @property
    def stop(self) -> bool:
        """Whether the run is over.

        Raises:
            ConnectionError: the counter has been out of reach for too long.
        """
        self._check()
        return super().stop

    def add_event(self, line: str) -> None:
        """See `Reporter.add_event`. It is sent at once: this process may be about to end."""
        super().add_event(line)
        self._due.set()

    def wait_for_answer(self, should_stop: Callable[[], bool]) -> bool:
        """Waits until the counter has answered once; until then every count is 0.

        Args:
            should_stop: asked often; ends the wait when it is true.

        Returns:
            Whether it has.

        Raises:
            ConnectionError: the counter has been out of reach for too long.
        """
        while self._answer is None:
            self._check()
            if should_stop() or self._is_closed:
                return False
            time.sleep(_WAIT_S)
        return True

    def close(self) -> None:
        """Sends what is left and stops reporting.

        Raises:
            ConnectionError: the counter did not take it.
        """
        self._is_closed = True
        self._due.set()
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
        # The first one at once: an actor waits for the answer before it begins.
        while not self._is_closed:
            try:
                self.send()
                last_answer = time.monotonic()
            except Exception as error:
                if time.monotonic() - last_answer > self._patience_s:
                    self._error = error
                    return
            wanted_s = 0.0 if self._answer is None else self._answer.period_s
            self._due.wait(max(self._period_s, wanted_s))
            self._due.clear()
