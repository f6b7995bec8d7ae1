"""A figure that a notebook displays without pyplot and without `%matplotlib inline`.

Apart from `plots`, which imports matplotlib only when something is drawn.
"""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class NotebookFigure(Figure):
    """A figure that gives notebooks its picture; matplotlib gives them only pyplot's figures."""

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.savefig(picture, format="png", dpi=100)
        return picture.getvalue()
