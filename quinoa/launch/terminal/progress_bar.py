"""How much of some work is done, on the terminal, where it takes long enough to wonder."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

from quinoa.launch.terminal.numbers import duration
from quinoa.launch.terminal.output import say
from quinoa.launch.terminal.redrawn_lines import LiveLines, bar_row

if TYPE_CHECKING:
    from rich.console import RenderableType

# Seconds before a terminal shows a bar at all, from one look of it to the next, and elsewhere from
# one line to the next.
DELAY_S = 1.0
_REDRAW_S = 0.1
LINE_S = 30.0


class Tally:
    """A progress bar in a terminal, and a line now and then elsewhere.

    Attributes:
        done: how much.
    """

    def __init__(self, total: int, unit: str, stream: TextIO | None = None):
        """Shows nothing yet.

        Args:
            total: how much there is to do.
            unit: of what, in the plural.
            stream: where to; by default standard error.
        """
        self._total, self._unit = total, unit
        self._stream = stream or sys.stderr
        self._lines = LiveLines(self._stream, leave=False)
        self.done = 0
        self._since = time.monotonic()
        self._next = self._since + (DELAY_S if self._lines.can_redraw else LINE_S)

    def __enter__(self) -> Tally:
        """Starts."""
        return self

    def __exit__(self, *error: object) -> None:
        """Takes the bar away."""
        del error
        self._lines.stop()

    def add(self, count: int = 1) -> None:
        """Says that so much more is done."""
        self.done += count
        now = time.monotonic()
        if now < self._next:
            return
        if self._lines.can_redraw:
            self._next = now + _REDRAW_S
            self._lines.draw(self._bar(now - self._since))
        else:
            self._next = now + LINE_S
            say(f"{self.done}/{self._total} {self._unit}", self._stream)

    def say(self, text: str) -> None:
        """Prints a line that stays, above the bar."""
        self._lines.say(text)

    def _bar(self, elapsed_s: float) -> RenderableType:
        left_s = elapsed_s * (self._total - self.done) / self.done
        times = f"{duration(elapsed_s)} gone, {duration(left_s)} left"
        return bar_row(
            self.done, self._total, f"  {self.done} of {self._total} {self._unit}  {times}"
        )
