"""How far the runs of a sweep are, on the terminal."""

from __future__ import annotations

import dataclasses
import itertools
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from quinoa.launch.files import read_json
from quinoa.launch.live import BLUE, LiveLines, bar_row
from quinoa.launch.run_folder import RunFolder
from quinoa.launch.words import duration

if TYPE_CHECKING:
    from rich.console import RenderableType

# Seconds between two looks at how far runs are and, where there is no terminal to redraw lines in,
# from one report to the next.
_LOOK_S = 0.5
_REPORT_S = 30.0
_MAX_NAME = 40
_BAR_WIDTH = 16


@dataclasses.dataclass
class _Shown:
    """A run that is running.

    Attributes:
        steps: actor steps at its end.
        began: when it was started.
        fraction: of its steps, done; None where it has not said yet.
        value: its return, as text.
        first: when it was first known how much was done, and how much that was. What a run had
            done before it went on tells nothing of how fast it is.
    """

    steps: int
    began: float
    fraction: float | None = None
    value: str = "-"
    first: tuple[float, float] | None = None

    def take(self, status: Mapping[str, Any]) -> None:
        """Takes a `Counter.status` in."""
        self.fraction = min(int(status["actor_steps"]) / self.steps, 1.0)
        self.value = _return(status)
        self.first = self.first or (time.monotonic(), self.fraction)

    def left(self) -> str:
        """The time left, as text, by how far it has come since it was first seen."""
        if self.first is None or self.fraction is None or self.fraction <= self.first[1]:
            return "time left unknown"
        since, before = self.first
        seconds = (time.monotonic() - since) * (1 - self.fraction) / (self.fraction - before)
        return f"{duration(seconds)} left"


class Board:
    """A bar for each run that is running and one for all, or lines now and then."""

    def __init__(self, names: Sequence[str], num_done: int, stream: TextIO | None = None):
        """Shows nothing yet.

        Args:
            names: of the sweep's runs.
            num_done: how many of them need not be run.
            stream: where to; by default standard error.
        """
        self._lines = LiveLines(stream or sys.stderr)
        self._num_runs, self._num_done = len(names), num_done
        self._width = min(max(map(len, names)), _MAX_NAME)
        self._runs: dict[str, _Shown] = {}
        self._since = time.monotonic()
        self._next_look = 0.0
        self._next_report = self._since + _REPORT_S

    def begin(self, name: str, steps: int) -> None:
        """Shows a run that has been started.

        Args:
            name: of the run.
            steps: actor steps at its end.
        """
        self._runs[name] = _Shown(steps, time.monotonic())
        if self._lines.can_redraw:
            self._lines.draw(self._view())
        else:
            self.say(f"{self._padded(name)}  started")

    def update(self, folders: Mapping[str, RunFolder]) -> None:
        """Shows how far the running ones are, by their folders."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_S
        for name, folder in folders.items():
            status = _status(folder)
            if status is not None:
                self._runs[name].take(status)
        if self._lines.can_redraw:
            self._lines.draw(self._view())
        elif now >= self._next_report:
            self._next_report = now + _REPORT_S
            for name, run in self._runs.items():
                if run.fraction is not None:
                    text = f"{run.fraction:4.0%}, return {run.value}, {run.left()}"
                    self.say(f"{self._padded(name)}  {text}")

    def end(self, name: str, text: str, *, is_done: bool) -> None:
        """Takes a run off, with a line that stays.

        Args:
            name: of the run.
            text: how it ended.
            is_done: whether it need not be run any more.
        """
        self._num_done += is_done
        taken = duration(time.monotonic() - self._runs.pop(name).began)
        line = f"{self._padded(name)}  {text}, {taken}"
        if self._lines.can_redraw:
            self.say(line)
            self._lines.draw(self._view())
        else:
            self.say(f"{line}; {self._num_done} of {self._num_runs} runs")

    def say(self, text: str) -> None:
        """Prints a line above the bars."""
        self._lines.say(text)

    def close(self) -> None:
        """Leaves the terminal below what is shown."""
        self._lines.stop()

    def _view(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        # A row for all, one for what is not shown, and one for the cursor.
        room = max(self._lines.height - 3, 1)
        running = Table.grid(padding=(0, 2, 0, 0))
        # Where the terminal is narrow, it is the name that is cut.
        running.add_column()
        for _ in range(4):
            running.add_column(no_wrap=True)
        for name, run in itertools.islice(self._runs.items(), room):
            fraction = run.fraction or 0.0
            bar = ProgressBar(1.0, fraction, width=_BAR_WIDTH, complete_style=BLUE)
            what = (f"{fraction:4.0%}", f"return {run.value}", run.left())
            if run.fraction is None:
                what = ("", "starting", "")
            label = Text(name[:_MAX_NAME], no_wrap=True, overflow="ellipsis")
            running.add_row(label, bar, *what)
        # Of all steps, for runs end in steps of one and may take hours each.
        done = self._num_done + sum(run.fraction or 0.0 for run in self._runs.values())
        gone = duration(time.monotonic() - self._since)
        text = f"  {self._num_done} of {self._num_runs} runs  {gone} gone"
        parts: list[RenderableType] = [running]
        if (more := len(self._runs) - room) > 0:
            parts.append(Text(f"and {more} more"))
        return Group(*parts, bar_row(done, self._num_runs, text))

    def _padded(self, name: str) -> str:
        return f"{name[:_MAX_NAME]:{self._width}}"


def _status(folder: RunFolder) -> Mapping[str, Any] | None:
    try:
        status: Mapping[str, Any] = read_json(folder.status)
        return status if "actor_steps" in status else None
    except (OSError, ValueError, TypeError):
        return None


def _return(status: Mapping[str, Any]) -> str:
    value = status.get("evaluation_return")
    if value is None:
        value = status.get("actor_return")
    return "-" if value is None else f"{value:.1f}"
