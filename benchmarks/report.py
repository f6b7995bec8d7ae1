"""Comparisons as a table to read, as JSON and as a picture."""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine
from benchmarks.measure import Comparison

# Whether a goal is met: Okabe and Ito's green and vermilion, which all people can tell apart.
_COLOURS = {True: "#009E73", False: "#D55E00", None: "#999999"}
_COLUMNS = ("benchmark", "case", "ours", "reference", "ratio", "goal")


def table(comparisons: Sequence[Comparison]) -> str:
    """Makes a Markdown table: medians, the range over the rounds in brackets, and the ratios."""
    rows = [_COLUMNS, tuple("---" for _ in _COLUMNS), *map(_row, comparisons)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def write(comparisons: Sequence[Comparison], folder: Path, command: str) -> None:
    """Writes results.md, results.json and results.png.

    Args:
        comparisons: what was measured.
        folder: where to; made if it is not there.
        command: what measured it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    described = machine.describe()
    text = f"`{command}` on {described}\n\n{table(comparisons)}\n"
    (folder / "results.md").write_text(text, encoding="utf-8")
    document = {
        "command": command,
        "machine": described,
        "comparisons": [
            {**dataclasses.asdict(c), "ratio": c.ratio, "holds": c.holds} for c in comparisons
        ],
    }
    (folder / "results.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    _draw(comparisons, folder / "results.png")


def _row(comparison: Comparison) -> tuple[str, ...]:
    goal = ""
    if comparison.goal is not None:
        of = f" {comparison.unit}" if comparison.goal_is_absolute else ""
        goal = f"≥ {comparison.goal:g}{of}: {'holds' if comparison.holds else 'missed'}"
    unit, note = comparison.unit, comparison.note
    return (
        comparison.benchmark,
        comparison.case + (f" ({note})" if note else ""),
        f"{_figures(comparison.ours)} {unit}",
        f"{comparison.reference_name}: {_figures(comparison.reference)} {unit}",
        _figures(comparison.ratios),
        goal,
    )


def _figures(values: Sequence[float]) -> str:
    median = _rounded(statistics.median(values))
    if len(values) == 1:
        return median
    return f"{median} [{_rounded(min(values))}–{_rounded(max(values))}]"


def _rounded(value: float) -> str:
    """Three digits, or all of those before the point."""
    if not value:
        return "0"
    digits = max(2 - math.floor(math.log10(abs(value))), 0)
    return f"{value:,.{digits}f}"


def _draw(comparisons: Sequence[Comparison], path: Path) -> None:
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
    axes.set_xlabel("times better than the reference (line: range over the rounds; tick: the goal)")
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=120)
    plt.close(figure)
