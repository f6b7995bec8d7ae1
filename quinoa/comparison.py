"""Compares runs in a figure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from quinoa.run import Run


def compare(
    runs: Sequence[str | os.PathLike[str] | Run],
    *,
    by: Sequence[str] | None = None,
    x: str = "steps",
    smooth: int = 1,
    out: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draws the learning curves of runs, as `quinoa plot` does; a notebook shows the figure.

    Args:
        runs: runs, or folders that contain runs, such as a sweep's. Runs of the same agent and
            settings share one line, their median, with a band from minimum to maximum.
        by: the settings that, with the agent, distinguish lines: `run` for a line per run, `agent`
            for the agent alone. By default, the agent's settings that differ.
        x: the horizontal axis: `steps`, `updates` or `hours`.
        smooth: the width of a moving average, in evaluations.
        out: a file for the picture; its ending is the format.

    Raises:
        RunError: there is nothing to draw, or a run is damaged.
        ValueError: `x` is none of these, or the file's ending is not a format.
        OSError: the file cannot be written.
    """
    from pathlib import Path

    from quinoa import paths
    from quinoa.launch.analysis import comparison, curves, plots
    from quinoa.run import Run as OpenRun

    if x not in curves.AXES:
        raise ValueError(f"x = {x!r} cannot work: it must be one of {', '.join(curves.AXES)}.")
    folders = [run.path if isinstance(run, OpenRun) else os.path.expanduser(run) for run in runs]
    groups = comparison.groups_of(folders, by)
    measure = comparison.measure_of(groups)
    axis = measure.axis(x)
    panels = comparison.panels_of(groups, measure, axis, smooth)
    figure = plots.draw_panels(panels, axis=axis, of=measure.text)
    if out is not None:
        plots.save(figure, Path(paths.absolute(out)))
    return figure
