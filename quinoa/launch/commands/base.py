"""Defines what a command is, with helpers for all commands."""

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
    """The command line is invalid."""


class Terminated(KeyboardInterrupt):
    """SIGTERM was received; handled like Ctrl-C."""


@contextlib.contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Makes SIGTERM raise `Terminated`, so that cleanup code runs.

    Does nothing outside the main thread, or if SIGTERM has another handler already.
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
    """Adds to Ctrl-C's `KeyboardInterrupt` a message that says what is lost."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise type(error)(lost()) from None


class Command(NamedTuple):
    """One command of the program.

    Attributes:
        usage: its arguments, for the help.
        about: its description in one line.
        details: the rest of its help.
        flags: makes its flags.
        run: runs it with the parsed flags and the other arguments; returns the exit status.
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
    """Checks the number of arguments.

    Raises:
        UsageError: there are not `count`; the message begins with `what`.
    """
    if len(arguments) != count:
        given = f", not {' '.join(arguments)}" if arguments else ""
        raise UsageError(f"{what}{given}.")


def expect_writable(flag: str, path: Path) -> None:
    """Checks that a flag's file can be written, before the work whose result goes there.

    Raises:
        UsageError: it cannot be.
    """
    try:
        require_writable(path)
    except OSError as error:
        raise UsageError(f"--{flag}={path} cannot be written: {error.strerror}.") from error


def expect_data_file(flag: str, path: Path) -> None:
    """The same of a file that is written as it is, in a folder that must exist.

    Raises:
        UsageError: it cannot be written.
    """
    expect_writable(flag, path)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(f"--{flag}={path} cannot be written: give a file in a folder that exists.")


def complain(message: str, status: int) -> int:
    """Prints an error; returns the given exit status."""
    say(f"quinoa: {message}", sys.stderr)
    return status
