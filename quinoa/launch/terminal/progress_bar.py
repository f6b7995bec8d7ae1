"""A progress bar, shown once the work has taken long enough for people to wonder."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

from quinoa.launch.terminal.numbers import duration
from quinoa.launch.terminal.output import say
from quinoa.launch.terminal.redrawn_lines import BLUE, RedrawnLines

if TYPE_CHECKING:
    from rich.console import RenderableType

# Seconds before a terminal shows the bar, between redraws of it, and elsewhere between lines.
DELAY_S = 1.0
_REDRAW_S = 0.1
LINE_S = 30.0


class ProgressBar:
    """A progress bar on a terminal or in a notebook; elsewhere, a line every `LINE_S` seconds.

    Attributes:
        done: how much is done.
    """

    def __init__(self, total: int, unit: str, stream: TextIO | None = None):
        """Draws nothing yet.

        Args:
            total: how much there is to do.
            unit: what is counted, in the plural.
            stream: where to draw; by default standard error.
        """
        self._total, self._unit = total, unit
        self._stream = stream or sys.stderr
        self._lines = RedrawnLines(self._stream, leave=False)
        self.done = 0
        self._start = time.monotonic()
        self._next = self._start + (DELAY_S if self._lines.can_redraw else LINE_S)

    def __enter__(self) -> ProgressBar:
        """Returns itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Removes the bar."""
        del error
        self._lines.stop()

    def advance(self, count: int = 1) -> None:
        """Counts more of the work as done, and redraws the bar if it is time to."""
        self.done += count
        now = time.monotonic()
        if now < self._next:
            return
        if self._lines.can_redraw:
            self._next = now + _REDRAW_S
            self._lines.draw(self._bar(now - self._start))
        else:
            self._next = now + LINE_S
            say(f"{self.done}/{self._total} {self._unit}", self._stream)

    def say(self, text: str) -> None:
        """Prints a line above the bar; it stays."""
        self._lines.say(text)

    def _bar(self, elapsed_s: float) -> RenderableType:
        left_s = elapsed_s * (self._total - self.done) / self.done
        times = f"{duration(elapsed_s)} gone, {duration(left_s)} left"
        text = f"{self.done} of {self._total} {self._unit}  {times}"
        return progress_row(self.done, self._total, text)


def progress_row(done: float, total: float, text: str) -> RenderableType:
    """A line as wide as the terminal: a bar, the percentage that is done, and a text."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.table import Column

    row = Progress(
        BarColumn(
            bar_width=None,
            complete_style=BLUE,
            finished_style=BLUE,
            table_column=Column(ratio=1),
        ),
        TaskProgressColumn(f"[bold {BLUE}]{{task.percentage:3.0f}}%", justify="right"),
        TextColumn(" {task.description}", markup=False, table_column=Column(no_wrap=True)),
        auto_refresh=False,
        expand=True,
    )
    row.update(row.add_task(text, total=total), completed=done)
    return row
