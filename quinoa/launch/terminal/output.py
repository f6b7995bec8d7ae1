"""What is said on the terminal, whether or not anybody is still there to read it."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.text import Text

# Of a terminal that does not say.
_COLUMNS = 80
# A cell that is a number, or several: with an interval, or so many of so many.
_NUMBERS = re.compile(r"[-+\d.,e±%\[\] ]*|\d+ of \d+")
# Columns of a table's cells that are always there for a word.
_WHOLE_CELL = 12
# What is on one line or the next as a whole: a command with its arguments, which are copied
# together, or a word.
_ARGUMENT = r"(?:'[^']*'|[^\s'])+"
_WHOLE = re.compile(
    rf"\b(?:quinoa|pip|apt) [a-z]+(?: {_ARGUMENT})?(?: (?=[-']|\S*[/=]){_ARGUMENT})*|\S+"
)
# Further lines go below the text of the first: below its second column, where it has one.
_BEFORE_TEXT = re.compile(r" *(?:\S+ {2,}(?=\S))?")


def say(text: str, stream: TextIO | None = None) -> None:
    """Prints a message that whatever is going on does not depend on.

    Args:
        text: the message. A terminal shows it broken between words where it is wider than that.
        stream: where to; by default standard output. If its terminal or pipe is gone, the message
            is lost.
    """
    stream = stream or sys.stdout
    try:
        if stream.isatty():
            text = wrapped(text, columns(stream))
        print(text, file=stream, flush=True)
    except OSError:
        abandon(stream)


def say_columns(columns: Mapping[str, Sequence[str]], stream: TextIO) -> None:
    """Prints a table on a terminal, no wider than that.

    Where it would be wider, a column that says the same in all rows is a line above it instead.

    Args:
        columns: the cells of each, by its heading.
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
                # So short, words stay whole.
                min_width=min(max(map(cell_len, words), default=0), _WHOLE_CELL),
            )
        for row in zip(*(columns[name] for name in shown), strict=True):
            table.add_row(*map(Text, row))
        return table

    shown, same = list(columns), []
    endless = console.options.update(width=10_000)
    while console.measure(made(shown), options=endless).maximum > console.width:
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
    """The command line of `quinoa` with these arguments, to be copied into a shell."""
    return f"quinoa {shlex.join(arguments)}"


def columns(stream: TextIO) -> int:
    """How wide a stream's terminal is, as rich finds it too."""
    with contextlib.suppress(ValueError):
        if (told := int(os.environ.get("COLUMNS", ""))) > 0:
            return told
    try:
        return os.get_terminal_size(stream.fileno()).columns or _COLUMNS
    except (OSError, ValueError):
        return _COLUMNS


def wrapped(text: str, width: int) -> str:
    """A text broken between words, so that lines are no wider than this many columns.

    A word that is wider, such as a path, and a command that is, stay whole: a terminal shows them
    on several lines, and they are copied as one.
    """
    return "\n".join(
        f"{' ' * hang}{line[start:end]}"
        for line in text.split("\n")
        for hang, start, end in _broken(line, width)
    )


class Flowing:
    """A text of rich, broken in a terminal as `wrapped` does; rich cuts long words in pieces.

    Not for within what cuts lines off at their width, as `Padding` and `Table` do.
    """

    def __init__(self, text: Text):
        """Of a text without ends of lines."""
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Renders it."""
        from rich.text import Text

        del console
        width = options.max_width if options.is_terminal else sys.maxsize
        for hang, start, end in _broken(self._text.plain, width):
            line = Text(" " * hang).append_text(self._text[start:end])
            line.no_wrap, line.overflow = True, "ignore"
            yield line


def _broken(line: str, width: int) -> list[tuple[int, int, int]]:
    """Breaks a line between words.

    Returns:
        Of each line that it becomes, the spaces before it, and where it begins and ends in the
        whole.
    """
    whole = [(0, 0, len(line))]
    if line.isascii() and len(line) <= width:
        return whole
    from rich.cells import cell_len

    words = list(_WHOLE.finditer(line))
    if len(words) < 2 or cell_len(line) <= width:
        return whole
    hang = len(_BEFORE_TEXT.match(line)[0])  # type: ignore[index]  # It matches anything.
    if hang > width // 2:
        hang = len(line) - len(line.lstrip()) + 2
    found, indent, start, end = [], 0, 0, words[0].end()
    for word in words[1:]:
        if indent + cell_len(line[start : word.end()]) > width:
            found.append((indent, start, end))
            indent, start = hang, word.start()
        end = word.end()
    return [*found, (indent, start, end)]


@contextlib.contextmanager
def without_echo(stream: TextIO) -> Iterator[None]:
    """Has a terminal not show what is typed, such as ^C, which would be amid what is redrawn.

    Only where this process is what the terminal's user is at: a job in the background may not say
    how the terminal is to behave. What is no terminal is left alone.
    """
    is_changed = _set_echo(stream, on=False)
    try:
        yield
    finally:
        if is_changed:
            _set_echo(stream, on=True)


def _set_echo(stream: TextIO, *, on: bool) -> bool:
    """Has a terminal show what is typed, or not; returns whether that is a change."""
    import termios

    try:
        descriptor = stream.fileno()
        if os.tcgetpgrp(descriptor) != os.getpgrp():
            return False
        modes = termios.tcgetattr(descriptor)
        if bool(modes[3] & termios.ECHO) == on:
            return False
        modes[3] ^= termios.ECHO
        termios.tcsetattr(descriptor, termios.TCSANOW, modes)
    except (OSError, ValueError, termios.error):
        return False
    return True


def abandon(stream: TextIO) -> None:
    """Has all that is still written to a stream, what it has in its buffer too, go nowhere."""
    # One that is no file has no number, and nothing to go wrong at the interpreter's end.
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)


def settle() -> None:
    """Writes what is in buffers; the interpreter's own status for what it cannot write is 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            abandon(stream)
