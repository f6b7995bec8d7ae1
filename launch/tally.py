"""How much of some work is done, on the terminal, where it takes long enough to wonder."""

from __future__ import annotations

import contextlib
import sys
import time
from types import TracebackType
from typing import TextIO

import tqdm

from launch.terminal import say

# Seconds before a terminal shows a bar at all, and elsewhere from one line to the next.
DELAY_S = 1.0
LINE_S = 30.0


class Tally:
    """A progress bar in a terminal, and a line now and then elsewhere."""

    def __init__(self, total: int, unit: str, stream: TextIO | None = None):
        """Shows nothing yet.

        Args:
            total: how much there is to do.
            unit: of what, in the plural.
            stream: where to; by default standard error.
        """
        self._total, self._unit = total, unit
        self._stream = stream or sys.stderr
        self._done = 0
        self._next_line = time.monotonic() + LINE_S
        self._bar: tqdm.tqdm[None] | None = None
        if self._stream.isatty():
            self._bar = tqdm.tqdm(
                total=total,
                file=self._stream,
                delay=DELAY_S,
                leave=False,
                dynamic_ncols=True,
                bar_format=f"{{percentage:3.0f}}%|{{bar}}| {{n_fmt}}/{{total_fmt}} {unit} "
                "[{elapsed}<{remaining}]",
            )

    def __enter__(self) -> Tally:
        """Starts."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Takes the bar away."""
        del kind, error, trace
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.close()

    def add(self, count: int = 1) -> None:
        """Says that so much more is done."""
        self._done += count
        if self._bar is not None:
            # The terminal may have been closed; that is no reason to end the work.
            with contextlib.suppress(OSError):
                self._bar.update(count)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_S
            say(f"{self._done}/{self._total} {self._unit}", self._stream)
