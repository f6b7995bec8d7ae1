"""Lines at the bottom of a terminal, or in a notebook, that are redrawn in place."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

from quinoa.launch.terminal.notebook import NotebookLines, is_notebook
from quinoa.launch.terminal.output import say
from quinoa.launch.terminal.wrapping import WrappedText

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.text import Text

# From Okabe and Ito's palette, distinguishable with any kind of colour vision, and light enough
# for a dark terminal.
BLUE, ORANGE = "#56B4E9", "#E69F00"


class RedrawnLines:
    """Lines at the bottom of a terminal; whatever else is printed meanwhile appears above them.

    No method raises if the terminal has been closed: the work that the lines report on continues.
    Any thread may call them.

    Attributes:
        can_redraw: whether the stream is a terminal that can move its cursor, or a notebook's.
            Otherwise `draw` does nothing.
    """

    def __init__(self, stream: TextIO, *, leave: bool = True):
        """Draws nothing yet.

        Args:
            stream: where to draw.
            leave: whether the last lines stay on the terminal after `stop`.
        """
        self._stream = stream
        self._live: Live | None = None
        self._lock = threading.RLock()
        self._redirections: contextlib.ExitStack | None = None
        self._notebook = NotebookLines() if stream is sys.stderr and is_notebook() else None
        if stream.isatty():
            # Imported here: it takes a tenth of a second, which most commands do not need.
            from rich.console import Console
            from rich.live import Live

            console = Console(file=stream)
            if not console.is_dumb_terminal:
                # Without rich's refresh thread, in which an error of a closed terminal would
                # not be caught.
                self._live = Live(
                    console=console,
                    auto_refresh=False,
                    transient=not leave,
                    # rich's redirection cuts long words, such as paths, in pieces.
                    redirect_stdout=False,
                    redirect_stderr=False,
                )
        self.can_redraw = self._live is not None or self._notebook is not None

    @property
    def height(self) -> int:
        """How many lines the terminal has room for; 0 if nothing is drawn."""
        return 0 if self._live is None else self._live.console.height

    def draw(self, lines: RenderableType) -> None:
        """Draws these lines in place of the last ones."""
        if self._notebook is not None:
            with self._lock:
                self._notebook.draw(lines)
        if self._live is not None:
            with self._lock, contextlib.suppress(OSError):
                if self._redirections is None:
                    self._redirections = contextlib.ExitStack()
                    self._redirections.enter_context(without_echo(self._stream))
                    self._redirections.enter_context(self._printing_above())
                self._live.start()  # Does nothing the second time.
                self._live.update(lines, refresh=True)

    def say(self, text: str) -> None:
        """Prints a line above the redrawn ones; it stays."""
        if self._live is None:
            say(text, self._stream)
            return
        from rich.text import Text

        # In a str, rich would replace parts of tasks' names, such as :fish:, by emoji.
        self._print(Text(text))

    def stop(self) -> None:
        """Stops redrawing; what is printed from now on appears below the lines."""
        if self._live is not None:
            with self._lock, contextlib.suppress(OSError):
                if self._redirections is not None:
                    # First prints above the lines what others wrote without a line break so far.
                    self._redirections.close()
                    self._redirections = None
                self._live.stop()

    def _print(self, text: Text) -> None:
        assert self._live is not None
        with self._lock, contextlib.suppress(OSError):
            # Not cropped: what is wider than the terminal is a word that must not be broken.
            self._live.console.print(*map(WrappedText, text.split(allow_blank=True)), crop=False)

    @contextlib.contextmanager
    def _printing_above(self) -> Iterator[None]:
        """Redirects standard output and error, if they are the terminal, to above the lines."""
        before = {"stderr": sys.stderr}
        # A redirected standard output still goes to its file or pipe.
        if sys.stdout.isatty():
            before["stdout"] = sys.stdout
        above = {name: _StreamAbove(stream, self._print) for name, stream in before.items()}
        for name, stream in above.items():
            setattr(sys, name, stream)
        try:
            yield
        finally:
            for name, stream in above.items():
                stream.finish()
                if getattr(sys, name) is stream:
                    setattr(sys, name, before[name])


class _StreamAbove(io.TextIOBase):
    """Replaces a stream, and passes on each whole line that is written to it."""

    def __init__(self, stream: TextIO, show: Callable[[Text], None]):
        self._replaced = stream
        self._show = show
        self._partial_line = ""

    def __getattr__(self, name: str) -> Any:
        """Everything else is as in the stream that it replaces."""
        return getattr(self._replaced, name)

    def fileno(self) -> int:
        return self._replaced.fileno()

    def isatty(self) -> bool:
        """False, so that writers leave the wrapping of lines to `RedrawnLines`."""
        return False

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        from rich.text import Text

        *lines, self._partial_line = (self._partial_line + text).split("\n")
        for line in lines:
            self._show(Text.from_ansi(line))
        return len(text)

    def finish(self) -> None:
        """Passes on a last line without its line break."""
        if self._partial_line:
            self.write("\n")


@contextlib.contextmanager
def without_echo(stream: TextIO) -> Iterator[None]:
    """Turns a terminal's echo off, so that typed keys, such as ^C, do not show amid the lines.

    Does nothing if the stream is no terminal, or this process is in the background, where it may
    not change the terminal's modes.
    """
    was_changed = _set_echo(stream, on=False)
    try:
        yield
    finally:
        if was_changed:
            _set_echo(stream, on=True)


def _set_echo(stream: TextIO, *, on: bool) -> bool:
    """Turns a terminal's echo on or off; returns whether that changed it."""
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
