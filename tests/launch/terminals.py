"""A terminal that remembers what it was sent, and what one would see on it."""

from __future__ import annotations

import io
import re

_ESCAPE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Whether it is one."""
        return True


def on_screen(terminal: Terminal) -> list[str]:
    """The lines that can be read on a terminal in the end, without colours.

    Of all that terminals do, it knows what redrawing takes: the start of the line, one line up, and
    erasing a line.
    """
    lines, row, column = [""], 0, 0
    text, position = terminal.getvalue(), 0
    while position < len(text):
        escape = _ESCAPE.match(text, position)
        if escape:
            position = escape.end()
            if escape[2] == "A":
                row -= int(escape[1] or 1)
            elif escape[2] == "K":
                lines[row] = ""
            continue
        letter, position = text[position], position + 1
        if letter == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif letter == "\r":
            column = 0
        else:
            lines[row] = lines[row][:column].ljust(column) + letter + lines[row][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines if line.strip()]
