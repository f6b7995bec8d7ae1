"""Draws learning curves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from quinoa.launch.analysis.curves import AXES, Curve, on_one_grid, read_curve
from quinoa.launch.run.columns import HELD_OUT_LOG_LIKELIHOOD, LOG_LIKELIHOOD
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette, distinguishable with any kind of colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("-", "--", "-.", ":")
# How many lines differ in colour or dashes.
MAX_LINES = len(COLOURS) * len(_DASHES)


class Panel(NamedTuple):
    """One subplot.

    Attributes:
        title: its title.
        lines: by label, the curves of the runs that one line summarises.
    """

    title: str
    lines: Mapping[str, Sequence[Curve]]


class Band(NamedTuple):
    """A line, with a band around it or without.

    Attributes:
        x: float64 [T].
        y: float64 [T].
        low: float64 [T], the lower edge of the band, or None.
        high: float64 [T], the upper edge, or None.
    """

    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64] | None = None
    high: npt.NDArray[np.float64] | None = None


def literal(text: str) -> str:
    """Escapes a text for matplotlib, which reads what stands between two $ as a formula.

    Bytes of a file name that are not valid text, and so in no font, are replaced.
    """
    return text.encode("utf-8", "replace").decode("utf-8").replace("$", r"\$")


def fit(text: Any, width: float) -> None:
    """Fits a text of a figure into a width, given in pixels.

    The text is broken between words, and set smaller if a single word is too wide. Call it before
    the figure's layout makes room for the lines.
    """

    def width_of(line: str) -> float:
        text.set_text(line)
        return float(text.get_window_extent().width)

    words = text.get_text().split(" ")
    widest = max(map(width_of, words))
    if widest > width:
        # Glyphs have whole-pixel sizes, so the width is not quite proportional to the font size.
        text.set_fontsize(text.get_fontsize() * 0.98 * width / widest)
    lines = words[:1]
    for word in words[1:]:
        longer = f"{lines[-1]} {word}"
        if width_of(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    text.set_text("\n".join(lines))


def fit_titles(figure: Any) -> None:
    """Fits the titles of subplots into the subplots' widths; see `fit`."""
    # To lay out a figure takes as long as to draw it.
    if all(map(_fits_at_once, figure.axes)):
        return
    figure.draw_without_rendering()
    for axes in figure.axes:
        fit(axes.title, axes.get_window_extent().width)


def _fits_at_once(axes: Any) -> bool:
    """Whether a title takes less than half of its subplot's column, labels of the axis included."""
    spec = axes.get_subplotspec()
    if spec is None:
        return False
    column = axes.figure.bbox.width / spec.get_gridspec().ncols
    return bool(axes.title.get_window_extent().width < 0.5 * column)


def plot_run(folder: RunFolder, title: str) -> Path:
    """Draws a run's evaluations and actors' returns to a file in its folder.

    Returns:
        The picture's path.

    Raises:
        RunError: the metrics are damaged.
    """
    from quinoa.launch.analysis import figures

    figure, (axes,) = figures.new_figure(1)
    axes.set(title=literal(title), ylabel="return of an episode")
    _name_x(axes, AXES["steps"])
    steps, returns = read_curve(folder, Role.ACTOR)
    if len(steps):
        axes.plot(
            steps, returns, ".", color=COLOURS[5], markersize=3, label="actors, as they learn"
        )
    steps, returns = read_curve(folder, Role.EVALUATOR)
    axes.plot(steps, returns, "o-", color=COLOURS[0], markersize=4, label="evaluation")
    axes.legend()
    return save(figure, folder.learning_curve)


def plot_learning(folder: RunFolder, title: str) -> Path:
    """Draws the log-likelihoods of a run without actors to a file in its folder.

    Returns:
        The picture's path.

    Raises:
        RunError: the metrics are damaged.
    """
    from quinoa.launch.analysis import figures

    figure, (axes,) = figures.new_figure(1)
    axes.set(title=literal(title), ylabel="mean log-likelihood of a demonstration")
    _name_x(axes, AXES["updates"])
    for column, label, style in (
        (LOG_LIKELIHOOD, "learned from", "-"),
        (HELD_OUT_LOG_LIKELIHOOD, "held out", "o-"),
    ):
        steps, values = read_curve(folder, Role.LEARNER, "updates", column)
        if len(steps):
            colour = COLOURS[0 if style == "-" else 1]
            axes.plot(steps, values, style, color=colour, markersize=4, label=label)
    axes.legend()
    return save(figure, folder.learning_curve)


def plot_panels(
    panels: Sequence[Panel], path: Path, *, axis: str = "steps", of: str = "return"
) -> Path:
    """Draws the evaluations of several runs to a file; see `draw_panels`.

    Args:
        panels: the subplots.
        path: the picture's file; its ending is the format.
        axis: a key of `curves.AXES`.
        of: what the curves are of.

    Returns:
        The picture's path.
    """
    return save(draw_panels(panels, axis=axis, of=of), path)


def draw_panels(panels: Sequence[Panel], *, axis: str = "steps", of: str = "return") -> Figure:
    """Draws the evaluations of several runs: a line and a band for each label.

    The line is the median over the runs of a label (its seeds), the band their minimum to maximum
    (Degrave et al., 2018, Figure 1). Where only some of the runs have data there is no band, and
    the median of those is a thin dotted line.

    Args:
        panels: the subplots; a label has one colour and dash in all of them.
        axis: a key of `curves.AXES`.
        of: what the curves are of.
    """
    from quinoa.launch.analysis import figures

    styles = _styles({label: None for panel in panels for label in panel.lines})
    figure, all_axes = figures.new_figure(len(panels))
    for axes, panel in zip(all_axes, panels, strict=True):
        axes.set_title(literal(panel.title))
        _name_x(axes, AXES[axis])
        for label, curves in panel.lines.items():
            _draw_runs(axes, curves, styles[label])
    is_several = any(len(curves) > 1 for panel in panels for curves in panel.lines.values())
    of_one = "return of an episode" if of == "return" else of
    ylabel = f"{of} (median, min–max)" if is_several else of_one
    _finish(figure, all_axes, ylabel, {_counted(label, panels): styles[label] for label in styles})
    return figure


def plot_bands(
    panels: Mapping[str, Mapping[str, Band]],
    path: Path,
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    level: float | None = None,
    of_values: bool = False,
) -> Path:
    """Draws lines and bands that have been computed already.

    Args:
        panels: subplot title → label → line.
        path: the picture's file; its ending is the format.
        title: the figure's title.
        xlabel: the label of every subplot's x axis.
        ylabel: the label of the leftmost subplots' y axes.
        level: the height of a thin grey horizontal line; None for none.
        of_values: whether x has a few values of a setting, all above 0, and not points of training:
            they are marked, on a logarithmic axis.

    Returns:
        The picture's path.
    """
    from quinoa.launch.analysis import figures

    styles = _styles({label: None for lines in panels.values() for label in lines})
    figure, all_axes = figures.new_figure(len(panels))
    fit(figure.suptitle(literal(title)), figure.bbox.width)
    for axes, (name, lines) in zip(all_axes, panels.items(), strict=True):
        axes.set_title(literal(name))
        if of_values:
            axes.set(xlabel=literal(xlabel), xscale="log")
        else:
            _name_x(axes, xlabel)
        if level is not None:
            axes.axhline(level, color="0.5", linewidth=1)
        for label, band in lines.items():
            axes.plot(band.x, band.y, marker="o" if of_values else None, **styles[label])
            if band.low is not None:
                colour = styles[label]["color"]
                axes.fill_between(band.x, band.low, band.high, color=colour, alpha=0.2, linewidth=0)
    _finish(figure, all_axes, ylabel, styles)
    return save(figure, path)


def _draw_runs(axes: Any, curves: Sequence[Curve], style: Mapping[str, Any]) -> None:
    grid, values = on_one_grid(curves)
    in_all = ~np.isnan(values).any(axis=0)
    shared_grid, shared_values = grid[in_all], values[:, in_all]
    axes.plot(shared_grid, np.median(shared_values, axis=0), **style)
    if len(curves) > 1:
        low, high = shared_values.min(axis=0), shared_values.max(axis=0)
        axes.fill_between(shared_grid, low, high, color=style["color"], alpha=0.2, linewidth=0)
    for part in _stretches(~in_all & ~np.isnan(values).all(axis=0)):
        median = np.nanmedian(values[:, part], axis=0)
        axes.plot(grid[part], median, color=style["color"], linestyle=":", linewidth=1)


def _stretches(mask: npt.NDArray[np.bool_]) -> list[slice]:
    """The stretches in which a mask, bool [T], is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return [slice(start, end) for start, end in edges.reshape(-1, 2)]


def _styles(labels: Mapping[str, None]) -> dict[str, dict[str, Any]]:
    looks = itertools.cycle(itertools.product(_DASHES, COLOURS))
    return {
        label: {"color": colour, "linestyle": dashes}
        for label, (dashes, colour) in zip(labels, looks, strict=False)
    }


def _counted(label: str, panels: Sequence[Panel]) -> str:
    """A label with its number of runs, if that exceeds one in some subplot."""
    counts = [len(panel.lines[label]) for panel in panels if label in panel.lines]
    if max(counts) == 1:
        return label
    least, most = min(counts), max(counts)
    return f"{label} ({most if least == most else f'{least}–{most}'} runs)"


def _name_x(axes: Any, name: str) -> None:
    """Labels an x axis and abbreviates its large numbers: 200k, 1M."""
    from matplotlib.ticker import EngFormatter

    axes.set_xlabel(name)
    if name != AXES["hours"]:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _finish(
    figure: Any, all_axes: Sequence[Any], ylabel: str, styles: Mapping[str, Mapping[str, Any]]
) -> None:
    """Labels the y axes of the leftmost subplots and puts one legend below all of them."""
    from matplotlib.lines import Line2D

    for axes in all_axes:
        if axes.get_subplotspec().is_first_col():
            axes.set_ylabel(ylabel)
    width, height = figure.get_size_inches()
    # About as many columns as the longest label, at 0.085 inches a letter, leaves room for.
    columns = max(1, min(len(styles), int(width / (0.6 + 0.085 * max(map(len, styles))))))
    rows = math.ceil(len(styles) / columns)
    figure.set_size_inches(width, height + 0.22 * rows)
    handles = [Line2D([], [], **style) for style in styles.values()]
    figure.legend(handles, list(map(literal, styles)), loc="outside lower center", ncols=columns)


def save(figure: Any, path: Path) -> Path:
    """Writes a figure to a file, whose ending is the format, and returns its path."""
    fit_titles(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    return path
