"""How far a run is, on the terminal."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, TextIO

import tqdm

# Where there is no terminal to redraw a bar in, seconds from one line to the next.
_LINE_S = 10.0
# The rates shown are means over about so many seconds.
_RATE_S = 5.0


class Progress:
    """A progress bar in a terminal, and a line now and then elsewhere.

    Shows the fraction of steps done, the return (the evaluator's latest, or the actors' mean until
    there is one), the actors' and the learner's steps per second, and restarts, if there were any.
    """

    def __init__(self, steps: int, stream: TextIO | None = None):
        """Shows nothing until the first status.

        Args:
            steps: actor steps of the whole run.
            stream: where to; by default standard error.
        """
        self._steps = steps
        self._stream = stream or sys.stderr
        self._bar: tqdm.tqdm[None] | None = None
        if self._stream.isatty():
            self._bar = tqdm.tqdm(
                total=steps,
                unit="step",
                file=self._stream,
                dynamic_ncols=True,
                bar_format="{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}"
                "{postfix}]",
            )
        self._next_line = time.monotonic() + _LINE_S
        self._before: list[Mapping[str, Any]] = []

    def __enter__(self) -> Progress:
        """Starts."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leaves the bar as it is and goes on below it."""
        del kind, error, trace
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.close()

    def show(self, status: Mapping[str, Any]) -> None:
        """Shows a `Counter.status`, with `restarts` where something is ever started again."""
        self._before.append(status)
        while len(self._before) > 2 and _age(self._before[1], status) > _RATE_S:
            del self._before[0]
        text = describe(self._before[0], status)
        # The terminal may have been closed; that is no reason to end the run.
        with contextlib.suppress(OSError):
            self._print(status, text)

    def _print(self, status: Mapping[str, Any], text: str) -> None:
        if self._bar is not None:
            self._bar.n = min(status["actor_steps"], self._steps)
            self._bar.set_postfix_str(text)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _LINE_S
            fraction = min(status["actor_steps"] / self._steps, 1)
            line = f"{fraction:4.0%} {status['actor_steps']}/{self._steps} steps, {text}"
            print(line, file=self._stream, flush=True)


def describe(before: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    """The return and the rates between two statuses, and restarts so far, as text."""
    value = status["evaluation_return"]
    if value is None:
        value = status["actor_return"]
    seconds = _age(before, status)
    rates = [
        (status[kind] - before[kind]) / seconds if seconds > 0 else 0.0
        for kind in ("actor_steps", "learner_steps")
    ]
    restarts = status.get("restarts", 0)
    return (
        f"return {'-' if value is None else format(value, '.1f')}, "
        f"actors {rates[0]:.0f} steps/s, learner {rates[1]:.0f} steps/s"
        + (f", {restarts} restart{'' if restarts == 1 else 's'}" if restarts else "")
    )


def _age(before: Mapping[str, Any], status: Mapping[str, Any]) -> float:
    return float(status["wall_time"] - before["wall_time"])
