"""Prints messages and tables; a terminal or pipe that has been closed is no error."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TextIO

from quinoa.launch.terminal.wrapping import terminal_width, wrapped

# A table cell that is a number, a number with an interval, or "3 of 10".
_NUMBERS = re.compile(r"[-+\d.,e±%\[\] ]*|\d+ of \d+")
# Words of up to this many columns are not broken in a table's cell.
_UNBROKEN_WORD = 12
# The logger of the package whose warnings are shown as notes.
_LOGGER = "quinoa.environments"


def say(text: str, stream: TextIO | None = None) -> None:
    """Prints a message. If the stream's terminal or pipe has been closed, the message is lost.

    Args:
        text: the message; on a terminal it is broken between words to fit the width.
        stream: where to print; by default standard output.
    """
    stream = stream or sys.stdout
    try:
        if stream.isatty():
            text = wrapped(text, terminal_width(stream))
        print(text, file=stream, flush=True)
    except OSError:
        abandon(stream)


def say_columns(columns: Mapping[str, Sequence[str]], stream: TextIO) -> None:
    """Prints a table that fits the width of a terminal.

    If it would be too wide, columns with the same cell in all rows become lines above it.

    Args:
        columns: the cells of each column, by its heading.
        stream: the terminal.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=stream, highlight=False)

    def made(shown: Iterable[str]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for name in shown:
            is_number = all(map(_NUMBERS.fullmatch, columns[name]))
            justify: Literal["left", "right"] = "right" if is_number else "left"
            words = [word for text in (name, *columns[name]) for word in text.split()]
            table.add_column(
                Text(name),
                justify=justify,
                no_wrap=is_number,
                overflow="fold",
                # Short words are not broken.
                min_width=min(max(map(cell_len, words), default=0), _UNBROKEN_WORD),
            )
        for row in zip(*(columns[name] for name in shown), strict=True):
            table.add_row(*map(Text, row))
        return table

    shown, same = list(columns), []
    unlimited = console.options.update(width=10_000)
    while console.measure(made(shown), options=unlimited).maximum > console.width:
        constant = [name for name in shown if len({*columns[name]}) == 1 < len(columns[name])]
        if not constant:
            break
        shown.remove(constant[0])
        same.append(f"{constant[0]}: {columns[constant[0]][0]}")
    try:
        for line in same:
            say(line, stream)
        console.print(made(shown))
    except OSError:
        abandon(stream)


def command(*arguments: str) -> str:
    """A command line of `quinoa` with these arguments, quoted so that a shell reads it back."""
    return f"quinoa {shlex.join(arguments)}"


def abandon(stream: TextIO) -> None:
    """Discards whatever is written to a stream from now on, and what its buffer still holds."""
    # A stream without a file descriptor raises here; it has nothing that could fail at exit.
    with contextlib.suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, stream.fileno())
        finally:
            os.close(null)


def flush() -> None:
    """Flushes standard output and error; otherwise Python exits with 120 if it cannot at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            abandon(stream)


class _NoteHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        # sys.stderr is looked up each time: a progress bar or a test may have replaced it.
        say(f"quinoa: note: {record.getMessage()}", sys.stderr)


def show_library_warnings() -> None:
    """Shows the warnings that quinoa.environments logs on standard error; once is enough."""
    logger = logging.getLogger(_LOGGER)
    if not any(isinstance(handler, _NoteHandler) for handler in logger.handlers):
        logger.addHandler(_NoteHandler(logging.WARNING))
