"""Shows how a run goes, while it does and afterwards."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from absl import flags

from quinoa.launch.commands.base import FAILED, OK, Command, expect

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from quinoa.launch.run_view import RunView

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


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    expect(arguments, 1, "status takes the folder of one run")
    from rich.console import Console

    from quinoa.launch import run_folder, run_view
    from quinoa.launch.status_view import Loads, draw

    folder = run_folder.existing(arguments[0])
    console, loads = Console(highlight=False), Loads()
    view = run_view.read(folder)
    if not console.is_terminal:
        # A log may be wider than what nobody has said of it.
        console = Console(highlight=False, width=int(os.environ.get("COLUMNS") or _COLUMNS))
    elif not values.once and not _is_over(view):
        view = _watch(console, lambda: run_view.read(folder), lambda of: draw(of, loads))
    with console.capture() as captured:
        console.print(draw(view, loads), crop=False)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))
    return OK if _is_well(view) else FAILED


def _watch(
    console: Console, read: Callable[[], RunView], draw: Callable[[RunView], RenderableType]
) -> RunView:
    """Shows a run on the whole terminal until it is over, or q or Ctrl-C; returns the last view."""
    from rich.live import Live

    view = read()
    with (
        contextlib.suppress(KeyboardInterrupt),
        _interrupted_by_sigterm(),
        _keys() as key,
        Live(draw(view), console=console, screen=True, auto_refresh=False) as live,
    ):
        while not _is_over(view) and key(_PERIOD_S) not in ("q", "Q"):
            view = read()
            live.update(draw(view), refresh=True)
    return view


def _is_over(view: RunView) -> bool:
    from quinoa.launch.run_view import State

    return view.state in (State.ENDED, State.DEAD)


def _is_well(view: RunView) -> bool:
    from quinoa.launch.run_view import State

    if view.state is State.ENDED:
        return view.result is not None and view.result.get("outcome") != "failed"
    return view.state is State.RUNNING


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


@contextlib.contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Has SIGTERM do what Ctrl-C does, so that the terminal is left as it was."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


COMMAND = Command(
    "RUN [FLAGS]",
    "show how a run goes, in another terminal",
    "RUN is the folder of a run, under way or over; nothing in it is changed. q ends it.\n"
    "Exit status: 0, or 1 where the run failed, died or gives no sign of life.\n\n"
    "  quinoa status runs/RUN\n"
    "  quinoa status runs/RUN --once",
    _flags,
    _run,
)
