"""How far the runs of a sweep are, on the terminal."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import tqdm

from launch.files import read_json
from launch.run_folder import RunFolder
from launch.terminal import say

# Seconds between two looks at how far runs are and, where there is no terminal to redraw lines in,
# from one report to the next.
_LOOK_S = 0.5
_REPORT_S = 30.0
_MAX_NAME = 40


class Board:
    """A bar for each run that is running and one for all, or lines now and then."""

    def __init__(self, names: Sequence[str], num_done: int, stream: TextIO | None = None):
        """Shows the bar for all, where there is a terminal.

        Args:
            names: of the sweep's runs.
            num_done: how many of them need not be run.
            stream: where to; by default standard error.
        """
        self._stream = stream or sys.stderr
        self._num_runs, self._num_done = len(names), num_done
        self._width = min(max(map(len, names)), _MAX_NAME)
        self._began: dict[str, float] = {}
        # When a run's progress was first seen, and what it was.
        self._seen: dict[str, tuple[float, float]] = {}
        self._bars: dict[str, tqdm.tqdm[None]] = {}
        self._next_look = 0.0
        self._next_report = time.monotonic() + _REPORT_S
        self._all: tqdm.tqdm[None] | None = None
        if self._stream.isatty():
            form = "{desc}  {n_fmt} of {total_fmt} runs |{bar:20}| [{elapsed}]"
            self._all = self._new_bar(len(names), 0, form)
            self._all.set_description_str(f"{'all':{self._width}}", refresh=False)
            self._all.n = num_done
            self._all.refresh()

    def begin(self, name: str, steps: int) -> None:
        """Shows a run that has been started.

        Args:
            name: of the run.
            steps: actor steps at its end.
        """
        self._began[name] = time.monotonic()
        if self._all is None:
            say(f"{self._padded(name)}  started", self._stream)
            return
        taken = {abs(bar.pos) for bar in self._bars.values()}
        place = next(i for i in range(1, len(taken) + 2) if i not in taken)
        form = "{desc}  {percentage:3.0f}% |{bar:20}| [{elapsed}<{remaining}{postfix}]"
        bar = self._new_bar(steps, place, form)
        bar.set_description_str(self._padded(name), refresh=False)
        bar.set_postfix_str("starting")
        self._bars[name] = bar

    def update(self, folders: Mapping[str, RunFolder], steps: Mapping[str, int]) -> None:
        """Shows how far the running ones are, by their folders.

        Args:
            folders: of those that run, by name.
            steps: actor steps at their ends, by name.
        """
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_S
        is_due = now >= self._next_report
        if is_due:
            self._next_report = now + _REPORT_S
        for name, folder in folders.items():
            status = _status(folder)
            if status is None:
                continue
            done = min(int(status["actor_steps"]), steps[name])
            with contextlib.suppress(OSError):
                if self._all is not None:
                    self._show_bar(self._bars[name], done, f"return {_return(status)}")
                else:
                    fraction = done / steps[name]
                    left = self._left(name, fraction)
                    if is_due:
                        text = f"{fraction:4.0%}, return {_return(status)}, {left}"
                        say(f"{self._padded(name)}  {text}", self._stream)
        if self._all is not None:
            with contextlib.suppress(OSError):
                self._all.refresh()

    def end(self, name: str, text: str, *, is_done: bool) -> None:
        """Takes a run off, with a line that stays.

        Args:
            name: of the run.
            text: how it ended.
            is_done: whether it need not be run any more.
        """
        self._num_done += is_done
        self._seen.pop(name, None)
        seconds = time.monotonic() - self._began.pop(name)
        line = f"{self._padded(name)}  {text}  [{tqdm.tqdm.format_interval(seconds)}]"
        with contextlib.suppress(OSError):
            if self._all is None:
                say(f"{line}  {self._num_done} of {self._num_runs} runs", self._stream)
                return
            self._bars.pop(name).close()
            tqdm.tqdm.write(line, file=self._stream)
            self._all.n = self._num_done
            self._all.refresh()

    def say(self, text: str) -> None:
        """Prints a line above the bars."""
        with contextlib.suppress(OSError):
            tqdm.tqdm.write(text, file=self._stream)

    def close(self) -> None:
        """Leaves the terminal below what is shown."""
        with contextlib.suppress(OSError):
            for bar in (*self._bars.values(), *([] if self._all is None else [self._all])):
                bar.close()
        self._bars.clear()

    def _new_bar(self, total: int, place: int, form: str) -> tqdm.tqdm[None]:
        return tqdm.tqdm(
            total=total,
            file=self._stream,
            position=place,
            leave=place == 0,
            dynamic_ncols=True,
            bar_format=form,
        )

    def _show_bar(self, bar: tqdm.tqdm[None], done: int, text: str) -> None:
        if bar.n == 0 < done:
            # What a run had done before it went on tells nothing of how fast it is.
            bar.initial, bar.start_t = done, time.time()
        bar.n = done
        bar.set_postfix_str(text)

    def _left(self, name: str, fraction: float) -> str:
        """The time left, as text, by how far the run has come since it was first seen."""
        since, first = self._seen.setdefault(name, (time.monotonic(), fraction))
        if fraction <= first:
            return "time left unknown"
        seconds = (time.monotonic() - since) * (1 - fraction) / (fraction - first)
        return f"{tqdm.tqdm.format_interval(seconds)} left"

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
