"""The progress of a run, on the terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from quinoa.launch.run.counts import LEARNER_STEPS
from quinoa.launch.run.status import Status
from quinoa.launch.terminal.numbers import compact, count, duration, sparkline
from quinoa.launch.terminal.output import say
from quinoa.launch.terminal.progress_bar import progress_row
from quinoa.launch.terminal.redrawn_lines import BLUE, ORANGE, RedrawnLines
from quinoa.launch.watch.run_limits import RunLimits

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

# Where there is no terminal to redraw a view in, seconds from one line to the next.
_LINE_S = 10.0
_SPARKLINE = 24
# The recent ratio of updates to steps is coloured where it is off the one asked for by more than
# this share of it. A call of the learner makes many updates at once, so some of that is noise.
_RATIO_OFF = 0.25


class Progress:
    """A few lines redrawn in a terminal that can do that, and a line now and then elsewhere.

    Shows the fraction of steps done and the time left, the return (the evaluator's latest, or the
    actors' mean until there is one), the actors' and the learner's steps per second, the updates
    for each step, how full replay is, and restarts, if there were any.
    """

    def __init__(self, limits: RunLimits, stream: TextIO | None = None):
        """Shows nothing before the first status.

        Args:
            limits: of the run.
            stream: where to; by default standard error.
        """
        self._limits = limits
        self._stream = stream or sys.stderr
        self._lines = RedrawnLines(self._stream)
        self._since = time.monotonic()
        self._next_line = self._since + _LINE_S
        self._returns: list[float] = []

    def __enter__(self) -> Progress:
        """Shows that the run starts; from now on the terminal does not echo what is typed."""
        if self._lines.can_redraw:
            from rich.text import Text

            self._lines.draw(Text("  starting"))
        return self

    def __exit__(self, *error: object) -> None:
        """Leaves the view as it is, with the cursor below it."""
        del error
        self._lines.stop()

    def say(self, text: str) -> None:
        """Prints a line above the view."""
        self._lines.say(text)

    def show(self, status: Status) -> None:
        """Shows how far the run is and how it goes."""
        value = status.evaluation_return
        if value is not None and self._returns[-1:] != [value]:
            self._returns.append(value)
        now = time.monotonic()
        if self._lines.can_redraw:
            self._lines.draw(view(self._limits, status, now - self._since, self._returns))
        elif now >= self._next_line:
            self._next_line = now + _LINE_S
            say(line(self._limits, status), self._stream)


def line(limits: RunLimits, status: Status) -> str:
    """The progress of a run as one line, for a log."""
    done = status.done
    parts = [f"{min(done / limits.steps, 1):4.0%} {done}/{limits.steps} steps"]
    if limits.has_actors:
        value = status.latest_return
        parts += [
            f"return {'-' if value is None else format(value, '.1f')}",
            f"actors {status.rates.actor_steps_per_second or 0:.0f} steps/s",
            f"learner {status.rates.learner_steps_per_second or 0:.0f} steps/s",
        ]
    else:
        value = status.log_likelihood
        parts += [
            f"log likelihood {'-' if value is None else format(value, '.4f')}",
            f"learner {status.rates.learner_steps_per_second or 0:.1f} steps/s",
        ]
    if status.replay_size is not None:
        parts.append(f"replay {status.replay_size / limits.max_replay_size:.0%} full")
    if restarts := status.restarts:
        parts.append(count(restarts, "restart"))
    if (left := seconds_left(limits, status)) is not None:
        parts.append(f"{duration(left)} left")
    return ", ".join(parts)


def view(
    limits: RunLimits, status: Status, elapsed_s: float | None, returns: Sequence[float]
) -> RenderableType:
    """The progress of a run as a few lines of at most 80 columns.

    Args:
        limits: of the run.
        status: of the run.
        elapsed_s: seconds since the start of the run; None where that is not known.
        returns: of its evaluations so far.
    """
    from rich.console import Group
    from rich.padding import Padding

    figures = [returns_text(status, returns), rates_text(limits, status)]
    return Group(
        progress_bar(limits, status, elapsed_s), *(Padding(f, (0, 0, 0, 2)) for f in figures)
    )


def progress_bar(
    limits: RunLimits, status: Status, elapsed_s: float | None = None
) -> RenderableType:
    """The fraction of steps done, as a bar and in numbers, and the time left."""
    done = min(status.done, limits.steps)
    times = [] if elapsed_s is None else [f"{duration(elapsed_s)} gone"]
    if (left := seconds_left(limits, status)) is not None:
        times.append(f"{duration(left)} left")
    text = f"{compact(done)} of {compact(limits.steps)} steps  {', '.join(times)}"
    return progress_row(done, limits.steps, text)


def returns_text(status: Status, returns: Sequence[float]) -> Text:
    """The latest returns, a curve of the evaluations' returns, and the restarts, if any."""
    from rich.text import Text

    evaluation, actors = status.evaluation_return, status.actor_return
    text = Text("return ")
    if status.unit == LEARNER_STEPS:
        value = status.log_likelihood
        text = Text("log likelihood ")
        text.append("not known yet" if value is None else f"{value:.4f}", f"bold {BLUE}")
    elif evaluation is not None:
        text.append(f"{evaluation:.1f}", f"bold {BLUE}").append(" (evaluation) ")
        text.append(sparkline(returns, _SPARKLINE), BLUE)
        text.append("" if actors is None else f"  {actors:.1f} (actors)")
    elif actors is not None:
        text.append(f"{actors:.1f}", f"bold {BLUE}").append(" (actors)")
    else:
        text.append("not known yet")
    if restarts := status.restarts:
        text.append(f"  {count(restarts, 'restart')}", ORANGE)
    return text


def rates_text(limits: RunLimits, status: Status) -> Text:
    """The rates of actors and learner, their ratio, and how full replay is."""
    from rich.text import Text

    size = status.replay_size
    if not limits.has_actors:
        rate = status.rates.learner_steps_per_second
        return Text("learner ").append(f"{rate or 0:.1f}/s", BLUE)
    if not status.counts.learner_steps:
        seen = status.counts.actor_steps
        return Text(
            f"acting {status.rates.actor_steps_per_second or 0:.0f} steps/s; learning begins at "
            f"{compact(limits.min_replay_size)} steps"
            if seen
            else "starting"
        )
    text = Text("actors ").append(f"{status.rates.actor_steps_per_second or 0:.0f}/s", BLUE)
    text.append("  learner ").append(f"{status.rates.learner_steps_per_second or 0:.0f}/s", BLUE)
    text.append("  ").append_text(ratio_text(limits, status))
    if size is not None:
        text.append("  replay ").append(compact(size), BLUE)
        text.append(f" of {compact(limits.max_replay_size)}")
    return text


def ratio_text(limits: RunLimits, status: Status) -> Text:
    """The recent number of gradient steps for each actor step, beside the one asked for."""
    from rich.text import Text

    recent, asked = status.rates.updates_per_step, limits.updates_per_step
    text = Text("updates/step ")
    is_off = recent is not None and asked is not None and abs(recent / asked - 1) > _RATIO_OFF
    text.append("-" if recent is None else f"{recent:.2f}", ORANGE if is_off else BLUE)
    return text.append("" if asked is None else f" of {asked:.2f}")


def seconds_left(limits: RunLimits, status: Status) -> float | None:
    """Seconds until the last step at the recent rate; None where that is not known."""
    rates = status.rates
    rate = rates.actor_steps_per_second if limits.has_actors else rates.learner_steps_per_second
    left = limits.steps - status.done
    return left / rate if rate and left > 0 else None
