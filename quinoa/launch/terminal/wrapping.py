"""Text broken into lines between words, so that it fits the width of a terminal."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.text import Text

# The width of a terminal that does not tell its own.
_COLUMNS = 80
# What is never broken: a command with its arguments, so that it can be copied, or a word.
_ARGUMENT = r"(?:'[^']*'|[^\s'])+"
_UNBROKEN = re.compile(
    rf"\b(?:quinoa|pip|apt) [a-z]+(?: {_ARGUMENT})?(?: (?=[-']|\S*[/=]){_ARGUMENT})*|\S+"
)
# Continuation lines are indented to the text of the first line, or to its second column.
_INDENT = re.compile(r" *(?:\S+ {2,}(?=\S))?")


def terminal_width(stream: TextIO) -> int:
    """The width of a stream's terminal in columns, found in the same way as rich finds it."""
    with contextlib.suppress(ValueError):
        if (width := int(os.environ.get("COLUMNS", ""))) > 0:
            return width
    try:
        return os.get_terminal_size(stream.fileno()).columns or _COLUMNS
    except (OSError, ValueError):
        return _COLUMNS


def wrapped(text: str, width: int) -> str:
    """Breaks a text between words into lines of at most `width` columns.

    A word or command that is wider, such as a path, is not broken: the terminal shows it on several
    lines, and copying it gives one.
    """
    return "\n".join(
        f"{' ' * hang}{line[start:end]}"
        for line in text.split("\n")
        for hang, start, end in _broken(line, width)
    )


class WrappedText:
    """Has rich break a text as `wrapped` does; rich itself would cut long words in pieces.

    Not to be put into a `Padding` or `Table`, which crop lines to their width.
    """

    def __init__(self, text: Text):
        """Takes a text without line breaks."""
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yields its lines; called by rich."""
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
        For each resulting line, its indent and the start and end of its text in `line`.
    """
    whole = [(0, 0, len(line))]
    if line.isascii() and len(line) <= width:
        return whole
    from rich.cells import cell_len

    words = list(_UNBROKEN.finditer(line))
    if len(words) < 2 or cell_len(line) <= width:
        return whole
    hang = len(_INDENT.match(line)[0])  # type: ignore[index]  # It matches anything.
    if hang > width // 2:
        hang = len(line) - len(line.lstrip()) + 2
    found, indent, start, end = [], 0, 0, words[0].end()
    for word in words[1:]:
        if indent + cell_len(line[start : word.end()]) > width:
            found.append((indent, start, end))
            indent, start = hang, word.start()
        end = word.end()
    return [*found, (indent, start, end)]
