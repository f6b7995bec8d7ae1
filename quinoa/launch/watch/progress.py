"""How far a run is, on the terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from quinoa.launch.terminal.numbers import compact, count, duration, sparkline
from quinoa.launch.terminal.output import say
from quinoa.launch.terminal.progress_bar import progress_row
from quinoa.launch.terminal.redrawn_lines import BLUE, ORANGE, RedrawnLines
from quinoa.launch.watch.goal import Goal

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

# Where there is no terminal to redraw a view in, seconds from one line to the next.
_LINE_S = 10.0
_SPARKLINE = 24
# Shares of the ratio asked for that the one held may be off by, before it is marked: a call of the
# learner is so much of what happens in the seconds that it is measured over.
_RATIO_OFF = 0.25


class Progress:
    """A few lines redrawn in a terminal that can do that, and a line now and then elsewhere.

    Shows the fraction of steps done and the time left, the return (the evaluator's latest, or the
    actors' mean until there is one), the actors' and the learner's steps per second, the updates
    for each step, how full replay is, and restarts, if there were any.
    """

    def __init__(self, goal: Goal, stream: TextIO | None = None):
        """Shows nothing until the first status.

        Args:
            goal: of the run.
            stream: where to; by default standard error.
        """
        self._goal = goal
        self._stream = stream or sys.stderr
        self._lines = RedrawnLines(self._stream)
        self._since = time.monotonic()
        self._next_line = self._since + _LINE_S
        self._returns: list[float] = []

    def __enter__(self) -> Progress:
        """Says that it starts, and has the terminal not show what is typed from then on."""
        if self._lines.can_redraw:
            from rich.text import Text

            self._lines.draw(Text("  starting"))
        return self

    def __exit__(self, *error: object) -> None:
        """Leaves the view as it is and goes on below it."""
        del error
        self._lines.stop()

    def say(self, text: str) -> None:
        """Prints a line that stays, above the view."""
        self._lines.say(text)

    def show(self, status: Mapping[str, Any]) -> None:
        """Shows a `Counter.status`, with `restarts` where something is ever started again."""
        value = status["evaluation_return"]
        if value is not None and self._returns[-1:] != [value]:
            self._returns.append(value)
        now = time.monotonic()
        if self._lines.can_redraw:
            self._lines.draw(view(self._goal, status, now - self._since, self._returns))
        elif now >= self._next_line:
            self._next_line = now + _LINE_S
            say(line(self._goal, status), self._stream)


def line(goal: Goal, status: Mapping[str, Any]) -> str:
    """All of it in one line, for a log."""
    done = status["actor_steps"]
    value = status["evaluation_return"]
    value = status["actor_return"] if value is None else value
    parts = [
        f"{min(done / goal.steps, 1):4.0%} {done}/{goal.steps} steps",
        f"return {'-' if value is None else format(value, '.1f')}",
        f"actors {status['actor_steps_per_second'] or 0:.0f} steps/s",
        f"learner {status['learner_steps_per_second'] or 0:.0f} steps/s",
    ]
    if status["replay_size"] is not None:
        parts.append(f"replay {status['replay_size'] / goal.max_replay_size:.0%} full")
    if restarts := status.get("restarts", 0):
        parts.append(count(restarts, "restart"))
    if (left := seconds_left(goal, status)) is not None:
        parts.append(f"{duration(left)} left")
    return ", ".join(parts)


def view(
    goal: Goal, status: Mapping[str, Any], elapsed_s: float | None, returns: Sequence[float]
) -> RenderableType:
    """The same as a few lines of at most 80 columns.

    Args:
        goal: of the run.
        status: a `Counter.status`, and `restarts`.
        elapsed_s: how long the run has gone on, where that is known.
        returns: of its evaluations so far.
    """
    from rich.console import Group
    from rich.padding import Padding

    figures = [returns_text(status, returns), rates_text(goal, status)]
    return Group(
        progress_bar(goal, status, elapsed_s), *(Padding(f, (0, 0, 0, 2)) for f in figures)
    )


def progress_bar(
    goal: Goal, status: Mapping[str, Any], elapsed_s: float | None = None
) -> RenderableType:
    """The fraction of steps done, as a bar and in numbers, and the time left."""
    done = min(status["actor_steps"], goal.steps)
    times = [] if elapsed_s is None else [f"{duration(elapsed_s)} gone"]
    if (left := seconds_left(goal, status)) is not None:
        times.append(f"{duration(left)} left")
    text = f"{compact(done)} of {compact(goal.steps)} steps  {', '.join(times)}"
    return progress_row(done, goal.steps, text)


def returns_text(status: Mapping[str, Any], returns: Sequence[float]) -> Text:
    """The latest returns, how the evaluations' went, and restarts, if there were any."""
    from rich.text import Text

    evaluation, actors = status["evaluation_return"], status["actor_return"]
    text = Text("return ")
    if evaluation is not None:
        text.append(f"{evaluation:.1f}", f"bold {BLUE}").append(" (evaluation) ")
        text.append(sparkline(returns, _SPARKLINE), BLUE)
        text.append("" if actors is None else f"  {actors:.1f} (actors)")
    elif actors is not None:
        text.append(f"{actors:.1f}", f"bold {BLUE}").append(" (actors)")
    else:
        text.append("not known yet")
    if restarts := status.get("restarts", 0):
        text.append(f"  {count(restarts, 'restart')}", ORANGE)
    return text


def rates_text(goal: Goal, status: Mapping[str, Any]) -> Text:
    """The rates, the ratio of the two and how full replay is."""
    from rich.text import Text

    size = status["replay_size"]
    if not status["learner_steps"]:
        seen = status["actor_steps"]
        return Text(
            f"acting {status['actor_steps_per_second'] or 0:.0f} steps/s; learning begins at "
            f"{compact(goal.min_replay_size)} steps"
            if seen
            else "starting"
        )
    text = Text("actors ").append(f"{status['actor_steps_per_second'] or 0:.0f}/s", BLUE)
    text.append("  learner ").append(f"{status['learner_steps_per_second'] or 0:.0f}/s", BLUE)
    text.append("  ").append_text(ratio_text(goal, status))
    if size is not None:
        text.append("  replay ").append(compact(size), BLUE)
        text.append(f" of {compact(goal.max_replay_size)}")
    return text


def ratio_text(goal: Goal, status: Mapping[str, Any]) -> Text:
    """The gradient steps for each actor step of late, beside what was asked for."""
    from rich.text import Text

    held, asked = status["updates_per_step"], goal.updates_per_step
    text = Text("updates/step ")
    is_off = held is not None and asked is not None and abs(held / asked - 1) > _RATIO_OFF
    text.append("-" if held is None else f"{held:.2f}", ORANGE if is_off else BLUE)
    return text.append("" if asked is None else f" of {asked:.2f}")


def seconds_left(goal: Goal, status: Mapping[str, Any]) -> float | None:
    """Until the last step, at the rate of late; None where that is not known."""
    rate = status["actor_steps_per_second"]
    left = goal.steps - status["actor_steps"]
    return left / rate if rate and left > 0 else None
