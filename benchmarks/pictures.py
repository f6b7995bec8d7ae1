"""Comparisons as pictures: their ratios as bars, and curves beside their limits."""

from __future__ import annotations

import math
import statistics
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Comparison

# Okabe and Ito's colours, which all people can tell apart: whether a goal is met, and a curve.
_COLOURS = {True: "#009E73", False: "#D55E00", None: "#999999"}
_OURS = "#0072B2"
_LIMIT = "#D55E00"
_PANELS_A_ROW = 3
# A reference's name is long; a legend's lines have so many characters.
_LEGEND_COLUMNS = 34
# An axis whose greatest value is so many times its least is logarithmic.
_WIDE = 8.0


def bars(comparisons: Sequence[Comparison], path: Path) -> None:
    """Draws the ratios as bars, with their range, and the goals."""
    from matplotlib import pyplot as plt
    from matplotlib import ticker

    figure, axes = plt.subplots(figsize=(9, 0.6 + 0.42 * len(comparisons)), layout="constrained")
    for position, comparison in enumerate(comparisons):
        low, high = min(comparison.ratios), max(comparison.ratios)
        color = _COLOURS[comparison.holds]
        axes.barh(position, comparison.ratio, color=color, alpha=0.75)
        axes.plot([low, high], [position, position], color="black", linewidth=1)
        if comparison.goal is not None and not comparison.goal_is_absolute:
            axes.plot([comparison.goal] * 2, [position - 0.4, position + 0.4], color="black")
    labels = [f"{c.benchmark}: {c.case}\n/ {c.reference_name}" for c in comparisons]
    axes.set_yticks(range(len(comparisons)), labels, fontsize=7)
    axes.tick_params(axis="x", labelsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    axes.set_xlabel("times better than the reference\nline: range over the rounds; tick: the goal")
    axes.margins(y=0.01)
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def curves(comparisons: Sequence[Comparison], path: Path) -> None:
    """Draws a panel for each curve: medians and ranges of ours and of its limit.

    Args:
        comparisons: each a point of a curve.
        path: of the picture.
    """
    from matplotlib import pyplot as plt

    panels: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        assert comparison.point is not None
        panels.setdefault(comparison.point.curve, []).append(comparison)
    num_rows = math.ceil(len(panels) / _PANELS_A_ROW)
    num_columns = min(len(panels), _PANELS_A_ROW)
    figure, grid = plt.subplots(
        num_rows,
        num_columns,
        figsize=(3.9 * num_columns, 3.2 * num_rows),
        layout="constrained",
        squeeze=False,
    )
    for axes, (name, points) in zip(grid.flat, panels.items(), strict=False):
        _panel(axes, name, points)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _panel(axes: Any, name: str, points: Sequence[Comparison]) -> None:
    from matplotlib import ticker

    at = [comparison.point.value for comparison in points if comparison.point is not None]
    first = points[0]
    assert first.point is not None
    for label, colour, style, sides in (
        ("ours", _OURS, "o-", [comparison.ours for comparison in points]),
        (f"limit: {first.reference_name}", _LIMIT, "s--", [c.reference for c in points]),
    ):
        text = textwrap.fill(label, _LEGEND_COLUMNS)
        middle = [statistics.median(side) for side in sides]
        axes.plot(at, middle, style, color=colour, label=text, markersize=4)
        low, high = ([pick(side) for side in sides] for pick in (min, max))
        axes.fill_between(at, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.set_title(name, fontsize=10)
    axes.set_xlabel(first.point.axis, fontsize=9)
    axes.set_ylabel(first.unit, fontsize=9)
    axes.set_xscale("log", base=2)
    axes.set_xticks(at, [f"{value:,g}" for value in at])
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    every = [figure for c in points for figure in (*c.ours, *c.reference)]
    if max(every) > _WIDE * min(every):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_formatter(ticker.NullFormatter())
    else:
        axes.set_ylim(bottom=0, top=1.25 * max(every))
    axes.yaxis.set_major_formatter("{x:,.12g}")
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
