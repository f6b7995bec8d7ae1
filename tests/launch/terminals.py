"""A terminal that remembers what it was sent, and what one would see on it."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import re
import select
import subprocess
import termios
import time
from collections.abc import Iterator
from typing import NamedTuple

from tests.launch.helpers import ROOT

_ESCAPE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Whether it is one."""
        return True


class Session(NamedTuple):
    """A process in a real terminal of its own.

    Attributes:
        process: which.
        descriptor: what it shows is read from, and what is typed is written to.
        terminal: the side of the process.
    """

    process: subprocess.Popen[bytes]
    descriptor: int
    terminal: int

    def type(self, keys: bytes) -> None:
        """Has keys pressed."""
        os.write(self.descriptor, keys)

    def read_until(self, text: str, after: str = "", timeout_s: float = 60.0) -> str:
        """What the terminal is sent, up to a text, which comes after another."""
        seen, deadline = "", time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if select.select([self.descriptor], [], [], 0.2)[0]:
                try:
                    seen += os.read(self.descriptor, 2**16).decode(errors="replace")
                except OSError:  # All is read, and the process is gone.
                    break
            _, found, rest = seen.partition(after) if after else ("", True, seen)
            if found and text in rest:
                break
        return seen


@contextlib.contextmanager
def session(command: list[str]) -> Iterator[Session]:
    """Starts a process in a terminal of 100 columns, from which Ctrl-C reaches it."""
    ours, theirs = pty.openpty()
    modes = termios.tcgetattr(theirs)
    # Or a Ctrl-C would throw away what is on its way to the screen just then, more or less of it.
    modes[3] |= termios.NOFLSH
    termios.tcsetattr(theirs, termios.TCSANOW, modes)

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
        preexec_fn=take_terminal,
    )
    try:
        yield Session(process, ours, theirs)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def on_screen(terminal: Terminal | str) -> list[str]:
    """The lines that can be read on a terminal in the end, without colours.

    Of all that terminals do, it knows what redrawing takes: the start of the line, one line up, and
    erasing a line.
    """
    lines, row, column = [""], 0, 0
    text = terminal if isinstance(terminal, str) else terminal.getvalue()
    position = 0
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
