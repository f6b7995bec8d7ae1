"""What a command is, and what commands share."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from absl import flags

from quinoa.config.fields import Bounds, Field
from quinoa.launch.commands.options import field_flags
from quinoa.launch.storage.files import require_writable
from quinoa.launch.terminal.output import say

# Exit statuses.
OK, FAILED, BAD_INPUT = 0, 1, 2
INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM


class UsageError(ValueError):
    """The command line cannot be understood."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, which does what Ctrl-C does."""


@contextlib.contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Within, SIGTERM raises `Terminated`, so that what has been changed is put back.

    Where it has been told to do something else, and in other threads than the main one, nothing is
    changed.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise Terminated

    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextlib.contextmanager
def telling_what_is_lost(lost: Callable[[], str]) -> Iterator[None]:
    """Within, Ctrl-C has the command's last line say what has come of it."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise type(error)(lost()) from None


class Command(NamedTuple):
    """One command of the program.

    Attributes:
        usage: what follows its name.
        about: one line about it.
        details: what else its help says.
        flags: makes its flags.
        run: runs it with parsed flags and the arguments that are no flags.
    """

    usage: str
    about: str
    details: str
    flags: Callable[[], flags.FlagValues]
    run: Callable[[flags.FlagValues, Sequence[str]], int]


def define_number(
    values: flags.FlagValues, name: str, default: int | None, text: str, *, least: int = 1
) -> None:
    """Defines a flag that is a whole number, at least `least`."""
    parser = field_flags.Parser(Field(name, int, Bounds(at_least=least)))
    flags.DEFINE(parser, name, default, text, values, flags.ArgumentSerializer())


def expect(arguments: Sequence[str], count: int, what: str) -> None:
    """Checks how many arguments there are.

    Raises:
        UsageError: another number than `count`; it begins with `what`.
    """
    if len(arguments) != count:
        given = f", not {' '.join(arguments)}" if arguments else ""
        raise UsageError(f"{what}{given}.")


def expect_possible(flag: str, path: Path) -> None:
    """Checks that what a flag names could be written, before the work whose result goes there.

    Raises:
        UsageError: it could not be.
    """
    try:
        require_writable(path)
    except OSError as error:
        raise UsageError(f"--{flag}={path} cannot be written: {error.strerror}.") from error


def complain(message: str, status: int) -> int:
    """Says what is wrong; returns the exit status given."""
    say(f"quinoa: {message}", sys.stderr)
    return status
