"""Empty figures, of one subplot or several, that notebooks display.

Imports matplotlib, which takes long: import it only where something is drawn.
"""

from __future__ import annotations

import io
import math
from typing import Any

from matplotlib.figure import Figure

_ALONE_INCHES = (7.0, 4.5)
_PANEL_INCHES = (5.0, 3.6)
_MAX_COLUMNS = 3


class NotebookFigure(Figure):
    """A figure that a notebook displays without pyplot and without `%matplotlib inline`."""

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.savefig(picture, format="png", dpi=100)
        return picture.getvalue()


def new_figure(num_panels: int) -> tuple[Figure, list[Any]]:
    """Makes a figure of so many subplots; returns it and their axes, row by row."""
    columns = min(num_panels, _MAX_COLUMNS)
    rows = math.ceil(num_panels / columns)
    size = _ALONE_INCHES
    if num_panels > 1:
        size = (_PANEL_INCHES[0] * columns, _PANEL_INCHES[1] * rows)
    # Not pyplot, which looks for a display and keeps every figure in memory.
    figure = NotebookFigure(figsize=size, layout="constrained")
    all_axes = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    for spare in all_axes[num_panels:]:
        spare.remove()
    for axes in all_axes[:num_panels]:
        axes.grid(alpha=0.3)
    return figure, all_axes[:num_panels]
