"""A few lines that are redrawn in place, in a terminal that can do that."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, TextIO

from quinoa.launch.terminal import say

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

# Light enough for a dark terminal; of Okabe and Ito's colours, which everybody can tell apart.
BLUE, ORANGE = "#56B4E9", "#E69F00"


class LiveLines:
    """Lines at the end of what a terminal shows; what else is said meanwhile goes above them.

    None of its methods fails where the terminal has been closed, which is no reason to end the
    work that the lines tell of.

    Attributes:
        can_redraw: whether there is a terminal that can move its cursor. Where there is not,
            `draw` does nothing.
    """

    def __init__(self, stream: TextIO, *, leave: bool = True):
        """Shows nothing yet.

        Args:
            stream: where to.
            leave: whether the last lines drawn stay at the end.
        """
        self._stream = stream
        self._live: Live | None = None
        if stream.isatty():
            # It takes a tenth of a second, which most commands can do without.
            from rich.console import Console
            from rich.live import Live

            console = Console(file=stream)
            if not console.is_dumb_terminal:
                # Drawn when there is something new, and never from a thread, where an error of the
                # terminal would have nobody to hear it.
                self._live = Live(
                    console=console,
                    auto_refresh=False,
                    transient=not leave,
                    # What goes to a file or a pipe goes there.
                    redirect_stdout=sys.stdout.isatty(),
                )
        self.can_redraw = self._live is not None

    @property
    def height(self) -> int:
        """Lines that there is room for; 0 where nothing is drawn."""
        return 0 if self._live is None else self._live.console.height

    def draw(self, lines: RenderableType) -> None:
        """Shows these in place of those before."""
        if self._live is not None:
            with contextlib.suppress(OSError):
                self._live.start()  # Does nothing if it has started.
                self._live.update(lines, refresh=True)

    def say(self, text: str) -> None:
        """Prints a line that stays, above the others."""
        if self._live is None:
            say(text, self._stream)
            return
        from rich.text import Text

        with contextlib.suppress(OSError):
            # A Text is printed as it is; a str would have emoji in place of parts of tasks' names.
            self._live.console.print(Text(text), soft_wrap=True)

    def stop(self) -> None:
        """Goes on below the lines."""
        if self._live is not None:
            with contextlib.suppress(OSError):
                self._live.stop()


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
