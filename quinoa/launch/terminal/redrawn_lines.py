"""A few lines that are redrawn in place, in a terminal that can do that."""

from __future__ import annotations

import contextlib
import io
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

from quinoa.launch.terminal.notebook import NotebookLines, is_notebook
from quinoa.launch.terminal.output import Flowing, say, without_echo

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.text import Text

# Light enough for a dark terminal; of Okabe and Ito's colours, which everybody can tell apart.
BLUE, ORANGE = "#56B4E9", "#E69F00"


class LiveLines:
    """Lines at the end of what a terminal shows; what else is said meanwhile goes above them.

    None of its methods fails where the terminal has been closed, which is no reason to end the
    work that the lines tell of. Any thread may call them.

    Attributes:
        can_redraw: whether there is a notebook, or a terminal that can move its cursor. Where there
            is neither, `draw` does nothing.
    """

    def __init__(self, stream: TextIO, *, leave: bool = True):
        """Shows nothing yet.

        Args:
            stream: where to.
            leave: whether the last lines drawn stay at the end.
        """
        self._stream = stream
        self._live: Live | None = None
        self._lock = threading.RLock()
        self._while_shown: contextlib.ExitStack | None = None
        self._notebook = NotebookLines() if stream is sys.stderr and is_notebook() else None
        if stream.isatty():
            # It takes a tenth of a second, which most commands can do without.
            from rich.console import Console
            from rich.live import Live

            console = Console(file=stream)
            if not console.is_dumb_terminal:
                # Drawn when there is something new, and never from a thread of its own, where an
                # error of the terminal would have nobody to hear it.
                self._live = Live(
                    console=console,
                    auto_refresh=False,
                    transient=not leave,
                    # Its own way cuts long words, such as paths, in pieces.
                    redirect_stdout=False,
                    redirect_stderr=False,
                )
        self.can_redraw = self._live is not None or self._notebook is not None

    @property
    def height(self) -> int:
        """Lines that there is room for; 0 where nothing is drawn."""
        return 0 if self._live is None else self._live.console.height

    def draw(self, lines: RenderableType) -> None:
        """Shows these in place of those before."""
        if self._notebook is not None:
            with self._lock:
                self._notebook.draw(lines)
        if self._live is not None:
            with self._lock, contextlib.suppress(OSError):
                if self._while_shown is None:
                    self._while_shown = contextlib.ExitStack()
                    self._while_shown.enter_context(without_echo(self._stream))
                    self._while_shown.enter_context(self._others_above())
                self._live.start()  # Does nothing if it has started.
                self._live.update(lines, refresh=True)

    def say(self, text: str) -> None:
        """Prints a line that stays, above the others."""
        if self._live is None:
            say(text, self._stream)
            return
        from rich.text import Text

        # A Text is printed as it is; a str would have emoji in place of parts of tasks' names.
        self._print(Text(text))

    def stop(self) -> None:
        """Goes on below the lines."""
        if self._live is not None:
            with self._lock, contextlib.suppress(OSError):
                if self._while_shown is not None:
                    # What others have not ended with a new line goes above too.
                    self._while_shown.close()
                    self._while_shown = None
                self._live.stop()

    def _print(self, text: Text) -> None:
        assert self._live is not None
        with self._lock, contextlib.suppress(OSError):
            # What is wider than the terminal is a word that stays whole.
            self._live.console.print(*map(Flowing, text.split(allow_blank=True)), crop=False)

    @contextlib.contextmanager
    def _others_above(self) -> Iterator[None]:
        """Has what is printed to the terminal by others appear above the lines."""
        before = {"stderr": sys.stderr}
        # What goes to a file or a pipe goes there.
        if sys.stdout.isatty():
            before["stdout"] = sys.stdout
        above = {name: _Above(stream, self._print) for name, stream in before.items()}
        for name, stream in above.items():
            setattr(sys, name, stream)
        try:
            yield
        finally:
            for name, stream in above.items():
                stream.finish()
                if getattr(sys, name) is stream:
                    setattr(sys, name, before[name])


class _Above(io.TextIOBase):
    """In place of a stream: what is written to it is shown line by line."""

    def __init__(self, stream: TextIO, show: Callable[[Text], None]):
        self._instead_of = stream
        self._show = show
        self._begun = ""

    def __getattr__(self, name: str) -> Any:
        """Is like the stream that it is in place of."""
        return getattr(self._instead_of, name)

    def fileno(self) -> int:
        return self._instead_of.fileno()

    def isatty(self) -> bool:
        """Whoever writes here leaves the breaking of lines to what shows them."""
        return False

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        from rich.text import Text

        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._show(Text.from_ansi(line))
        return len(text)

    def finish(self) -> None:
        """Shows what has been begun."""
        if self._begun:
            self.write("\n")


def bar_row(done: float, total: float, text: str) -> RenderableType:
    """A line as wide as the terminal: how much is done as a bar, in percent, and a text."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    row = Table.grid(expand=True, padding=(0, 1))
    row.add_column(ratio=1)
    row.add_column(justify="right", no_wrap=True)
    row.add_row(
        ProgressBar(total=total, completed=done, complete_style=BLUE, finished_style=BLUE),
        Text.assemble((f"{done / total:4.0%}", f"bold {BLUE}"), text),
    )
    return row
