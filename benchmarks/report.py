"""Comparisons as a table to read, as JSON and as pictures."""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine, pictures
from benchmarks.measure import Comparison

_COLUMNS = ("benchmark", "case", "ours", "reference", "ratio", "goal")


def table(comparisons: Sequence[Comparison]) -> str:
    """Makes a Markdown table: medians, the range over the rounds in brackets, and the ratios."""
    rows = [_COLUMNS, tuple("---" for _ in _COLUMNS), *map(_row, comparisons)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def write(comparisons: Sequence[Comparison], folder: Path, command: str) -> Sequence[str]:
    """Writes results.md, results.json, and pictures.

    Points of curves are drawn in growth.png, a panel for each curve, and all else in results.png.

    Args:
        comparisons: what was measured.
        folder: where to; made if it is not there.
        command: what measured it.

    Returns:
        The files' names.
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
    written = ["results.md", "results.json"]
    for name, draw, drawn in (
        ("results.png", pictures.bars, [c for c in comparisons if c.point is None]),
        ("growth.png", pictures.curves, [c for c in comparisons if c.point is not None]),
    ):
        if drawn:
            draw(drawn, folder / name)
            written.append(name)
    return written


def _row(comparison: Comparison) -> tuple[str, ...]:
    goal = ""
    if comparison.goal is not None:
        of = f" {comparison.unit}" if comparison.goal_is_absolute else ""
        at = "≤" if comparison.goal_is_absolute and comparison.lower_is_better else "≥"
        goal = f"{at} {comparison.goal:g}{of}: {'holds' if comparison.holds else 'missed'}"
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
