"""Output of a notebook's cell that is redrawn in place."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

_COLUMNS = 80
_PAGE = "<pre style='line-height: 1.3; margin: 0'>{code}</pre>"


def is_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


class NotebookLines:
    """Lines in a cell's output; each draw replaces the last."""

    def __init__(self) -> None:
        """Draws nothing yet."""
        self._handle: Any = None

    def draw(self, lines: RenderableType) -> None:
        """Draws these lines in place of the last ones."""
        from IPython.display import HTML, display

        shown = HTML(as_html(lines))
        if self._handle is None:
            self._handle = display(shown, display_id=True)
        else:
            self._handle.update(shown)


def as_html(lines: RenderableType) -> str:
    """Renders lines as HTML that looks as in a terminal."""
    from rich.console import Console

    console = Console(
        file=io.StringIO(),
        record=True,
        width=_COLUMNS,
        force_terminal=True,
        force_jupyter=False,
        color_system="truecolor",
    )
    console.print(lines)
    return console.export_html(inline_styles=True, code_format=_PAGE)
