"""Shows how a run goes, while it does and afterwards."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from absl import flags

from quinoa.launch.commands.base import FAILED, OK, Command, expect

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from quinoa.launch.sweep.sweep_folder import SweepFolder

# Seconds from one look to the next.
_PERIOD_S = 1.0
_COLUMNS = 100


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.DEFINE_boolean(
        "once",
        False,
        "Print it once, in place of a view that is renewed each second; so it is where the output "
        "is no terminal, or the run is over.",
        flag_values=values,
    )
    return values


class _Shown(NamedTuple):
    """A run or a sweep at one moment.

    Attributes:
        draw: shows it on so many lines, or on as many as it takes.
        is_over: whether nothing more is to come.
        is_well: whether it goes well, or has ended well.
    """

    draw: Callable[[int | None], RenderableType]
    is_over: bool
    is_well: bool


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    expect(arguments, 1, "status takes the folder of one run or sweep")
    from rich.console import Console

    from quinoa.launch.sweep.sweep_folder import SweepFolder

    sweep = SweepFolder(Path(arguments[0]))
    look = _of_sweep(sweep) if sweep.description.is_file() else _of_run(arguments[0])
    console = Console(highlight=False)
    shown = look()
    if not console.is_terminal:
        # A log may be wider than what nobody has said of it.
        console = Console(highlight=False, width=int(os.environ.get("COLUMNS") or _COLUMNS))
    elif not values.once and not shown.is_over:
        shown = _watch(console, look)
    with console.capture() as captured:
        console.print(shown.draw(None), crop=False)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))
    return OK if shown.is_well else FAILED


def _of_run(path: str) -> Callable[[], _Shown]:
    """What looks at a run."""
    from quinoa.launch.run import run_folder
    from quinoa.launch.run.result import Outcome
    from quinoa.launch.watch import overview
    from quinoa.launch.watch.overview import RunState
    from quinoa.launch.watch.status_page import Loads, draw

    folder, loads = run_folder.existing(path), Loads()

    def look() -> _Shown:
        run = overview.read(folder)
        is_well = run.state is RunState.RUNNING
        if run.result is not None:
            is_well = run.result.outcome is not Outcome.FAILED
        is_over = run.state in (RunState.ENDED, RunState.DEAD)
        return _Shown(lambda height: draw(run, loads), is_over, is_well)

    return look


def _of_sweep(folder: SweepFolder) -> Callable[[], _Shown]:
    """What looks at a sweep."""
    from quinoa.launch.sweep import overview, status_page

    reader = overview.OverviewReader(folder)

    def look() -> _Shown:
        sweep = reader.read()
        return _Shown(
            lambda height: status_page.draw(sweep, height), not sweep.is_running, sweep.is_well
        )

    return look


def _watch(console: Console, look: Callable[[], _Shown]) -> _Shown:
    """Shows it on the whole terminal until it is over, or q or Ctrl-C; returns the last look."""
    from rich.live import Live

    shown = look()
    with (
        contextlib.suppress(KeyboardInterrupt),
        _keys() as key,
        Live(shown.draw(console.height), console=console, screen=True, auto_refresh=False) as live,
    ):
        while not shown.is_over and key(_PERIOD_S) not in ("q", "Q"):
            shown = look()
            live.update(shown.draw(console.height), refresh=True)
    return shown


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Has the terminal give each key at once.

    Yields:
        A function that waits so many seconds for a key, and returns it, or nothing.
    """
    import termios
    import tty

    if not sys.stdin.isatty():

        def pause(seconds: float) -> str:
            time.sleep(seconds)
            return ""

        yield pause
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def wait(seconds: float) -> str:
        if not select.select([descriptor], [], [], seconds)[0]:
            return ""
        # Nothing to read is the terminal's end.
        return os.read(descriptor, 1).decode(errors="replace") or "q"

    tty.setcbreak(descriptor)
    try:
        yield wait
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


COMMAND = Command(
    "RUN|SWEEP [FLAGS]",
    "show how a run or a sweep goes, in another terminal",
    "RUN is the folder of a run, or of a sweep, under way or over; nothing in it is changed. q\n"
    "ends it. Exit status: 0, or 1 where the run, or one of the sweep, failed, died or gives no\n"
    "sign of life.\n\n"
    "  quinoa status runs/RUN\n"
    "  quinoa status runs/sweep-NAME\n"
    "  quinoa status runs/RUN --once",
    _flags,
    _run,
)
