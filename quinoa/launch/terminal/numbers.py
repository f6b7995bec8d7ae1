"""Numbers as short texts for people."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

_BARS = "▁▂▃▄▅▆▇█"


def compact(number: float) -> str:
    """A number with about three digits: 999, 1.5k, 63k, 1M."""
    for unit, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if abs(number) >= unit * 0.9995:
            scaled = number / unit
            text = f"{scaled:.0f}" if abs(scaled) >= 99.95 else f"{scaled:.1f}"
            return f"{text.removesuffix('.0')}{letter}"
    return f"{number:.0f}"


def duration(seconds: float) -> str:
    """A time as hours, minutes and seconds: 0:07, 12:03, 1:02:03."""
    minutes, rest = divmod(round(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def count(number: int, noun: str) -> str:
    """A number with its noun, in the plural if need be: 1 restart, 2 restarts."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def described_metrics(metrics: Mapping[str, float]) -> str:
    """Metrics by name in one line: log likelihood -3.214, feature error 1.2e-07."""
    return ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in metrics.items())


def sparkline(values: Sequence[float], width: int) -> str:
    """Values as a row of bars, scaled from the least to the greatest; at most `width` bars.

    More values than that are averaged over neighbours.
    """
    if not values:
        return ""
    width = min(width, len(values))
    edges = [round(i * len(values) / width) for i in range(width + 1)]
    means = [sum(values[start:end]) / (end - start) for start, end in itertools.pairwise(edges)]
    least, span = min(means), max(means) - min(means)
    top = len(_BARS) - 1
    return "".join(_BARS[round((mean - least) / span * top) if span else 0] for mean in means)
