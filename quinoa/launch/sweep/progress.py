"""Shows the progress of a sweep's runs on the terminal while it runs them."""

from __future__ import annotations

import dataclasses
import itertools
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TextIO

from quinoa.launch.errors import RunError
from quinoa.launch.run import status as run_status
from quinoa.launch.run.budget import Unit
from quinoa.launch.run.counts import ACTOR_STEPS
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.run.status import Status
from quinoa.launch.sweep.overview import OVER, RunRow, num_done, time_left
from quinoa.launch.terminal.numbers import count, duration
from quinoa.launch.terminal.progress_bar import progress_row
from quinoa.launch.terminal.redrawn_lines import BLUE, ORANGE, RedrawnLines

if TYPE_CHECKING:
    from rich.console import RenderableType

# Seconds between reading the runs' status and, without a terminal that can redraw lines, between
# printed reports.
_READ_S = 0.5
_REPORT_S = 30.0
_MAX_NAME = 40
_BAR_WIDTH = 10


class RunLine(NamedTuple):
    """The line that shows a run.

    Attributes:
        name: the run's name.
        fraction: the fraction of its steps that are done; None shows no percentage.
        value: `value_text` of it; empty if there is none yet.
        note: the time left, or another remark.
        is_bad: whether to highlight the note.
    """

    name: str
    fraction: float | None
    value: str
    note: str
    is_bad: bool = False


def run_table(lines: Sequence[RunLine]) -> RenderableType:
    """A line for each run: its name, a bar, its return or log-likelihood, and a note."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    # On a narrow terminal only the name is cropped.
    table.add_column()
    for _ in range(4):
        table.add_column(no_wrap=True)
    for line in lines:
        fraction = line.fraction or 0.0
        label = Text(line.name[:_MAX_NAME], no_wrap=True, overflow="ellipsis")
        table.add_row(
            label,
            ProgressBar(1.0, fraction, width=_BAR_WIDTH, complete_style=BLUE),
            "" if line.fraction is None else f"{fraction:4.0%}",
            line.value,
            Text(line.note, ORANGE if line.is_bad else ""),
        )
    return table


def value_text(value: float | None, unit: Unit) -> str:
    """A run's return, or its log-likelihood where it has no actors; empty if it is not known."""
    if value is None:
        return ""
    return f"return {value:.1f}" if unit == ACTOR_STEPS else f"log-likelihood {value:.3f}"


def left_text(seconds: float | None) -> str:
    """The time left, as text."""
    return "time left unknown" if seconds is None else f"{duration(seconds)} left"


def note(left_s: float | None) -> str:
    """The note of a running run; short, to leave room for names."""
    return "running" if left_s is None else left_text(left_s)


@dataclasses.dataclass
class _RunningRun:
    """A run that is running.

    Attributes:
        steps: at which it ends.
        start: when it was started.
        done: its steps so far; None before its first status.
        value: `value_text` of it; empty if there is none yet.
        first: the time of its first status, and `done` at that. Steps from before a run was resumed
            do not count for its rate.
    """

    steps: int
    start: float
    done: int | None = None
    value: str = ""
    first: tuple[float, int] | None = None

    @property
    def fraction(self) -> float | None:
        """The fraction of its steps that are done."""
        return None if self.done is None else self.done / self.steps

    def update(self, status: Status) -> None:
        """Takes over a new status."""
        self.done = min(status.done, self.steps)
        self.value = value_text(status.latest_value, status.unit)
        self.first = self.first or (time.monotonic(), self.done)

    def left_s(self) -> float | None:
        """The time left in seconds, at its mean rate since its first status; None if unknown."""
        if self.first is None or self.done is None:
            return None
        first_time, first_done = self.first
        return time_left(self.done, first_done, self.steps, time.monotonic() - first_time)


class SweepProgress:
    """Draws a bar for each running run and one for the sweep; without a terminal, prints lines."""

    def __init__(self, runs: Sequence[RunRow], stream: TextIO | None = None):
        """Draws nothing yet.

        Args:
            runs: all runs of the sweep, before any is started.
            stream: where to draw; by default standard error.
        """
        self._lines = RedrawnLines(stream or sys.stderr)
        self._num_runs = len(runs)
        self._num_over = sum(run.state in OVER for run in runs)
        self._width = min(max(len(run.name) for run in runs), _MAX_NAME)
        self._steps_before = num_done(runs)
        self._steps_of_all = sum(run.steps for run in runs)
        # The steps done of the runs that are not running.
        self._done = {run.name: run.steps if run.state in OVER else run.done for run in runs}
        self._runs: dict[str, _RunningRun] = {}
        self._start = time.monotonic()
        self._next_read = 0.0
        self._next_report = self._start + _REPORT_S

    def begin(self, name: str, steps: int) -> None:
        """Adds a run that has been started.

        Args:
            name: the run's name.
            steps: at which it ends.
        """
        self._runs[name] = _RunningRun(steps, time.monotonic())
        if self._lines.can_redraw:
            self._lines.draw(self._view())
        else:
            self.say(f"{self._padded(name)}  started")

    def update(self, folders: Mapping[str, RunFolder]) -> None:
        """Reads the running runs' folders, by name, and redraws if it is time to."""
        now = time.monotonic()
        if now < self._next_read:
            return
        self._next_read = now + _READ_S
        for name, folder in folders.items():
            status = _status(folder)
            if status is not None:
                self._runs[name].update(status)
        if self._lines.can_redraw:
            self._lines.draw(self._view())
        elif now >= self._next_report:
            self._next_report = now + _REPORT_S
            for name, run in self._runs.items():
                if run.fraction is not None:
                    known = [run.value] if run.value else []
                    text = ", ".join([f"{run.fraction:4.0%}", *known, left_text(run.left_s())])
                    self.say(f"{self._padded(name)}  {text}")

    def end(self, name: str, text: str, *, is_done: bool) -> None:
        """Removes a run that has ended, and prints a line about it that stays.

        Args:
            name: the run's name.
            text: how it ended.
            is_done: whether nothing of it is left to run.
        """
        self._num_over += is_done
        run = self._runs.pop(name)
        self._done[name] = run.steps if is_done else run.done or self._done[name]
        line = f"{self._padded(name)}  {text}, {duration(time.monotonic() - run.start)}"
        if self._lines.can_redraw:
            self.say(line)
            self._lines.draw(self._view())
        else:
            self.say(f"{line}; {self._of_all()}")

    def say(self, text: str) -> None:
        """Prints a line above the bars."""
        self._lines.say(text)

    def close(self) -> None:
        """Stops redrawing."""
        self._lines.stop()

    def _view(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        # Without the lines of the sweep's bar, of "and N more" and of the cursor.
        room = max(self._lines.height - 3, 1)
        shown = run_table(
            [
                RunLine(
                    name,
                    run.fraction or 0.0,
                    run.value,
                    "starting" if run.done is None else note(run.left_s()),
                )
                for name, run in itertools.islice(self._runs.items(), room)
            ]
        )
        parts: list[RenderableType] = [shown]
        if (more := len(self._runs) - room) > 0:
            parts.append(Text(f"and {more} more"))
        return Group(*parts, progress_row(self._steps_done(), self._steps_of_all, self._of_all()))

    def _steps_done(self) -> int:
        """The steps done of all runs."""
        running = {name: run.done for name, run in self._runs.items() if run.done is not None}
        return sum({**self._done, **running}.values())

    def _of_all(self) -> str:
        """The number of runs that are over, the time elapsed and the time left, as text."""
        elapsed_s = time.monotonic() - self._start
        times = [f"{duration(elapsed_s)} gone"]
        left_s = time_left(self._steps_done(), self._steps_before, self._steps_of_all, elapsed_s)
        if left_s:
            times.append(left_text(left_s))
        return f"{self._num_over} of {count(self._num_runs, 'run')}, {', '.join(times)}"

    def _padded(self, name: str) -> str:
        return f"{name[:_MAX_NAME]:{self._width}}"


def _status(folder: RunFolder) -> Status | None:
    try:
        return run_status.read(folder.status)
    except RunError:
        return None
