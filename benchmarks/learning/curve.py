"""A curve of learning: how good the policy was, when, and after how many steps."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_COLUMNS = ("seconds", "steps", "return")


class Evaluation(NamedTuple):
    """How good a policy was at a moment of its learning.

    Attributes:
        seconds: since the command was started, imports and compilation included.
        steps: environment steps.
        mean_return: of the episodes of the evaluation.
    """

    seconds: float
    steps: int
    mean_return: float


class Curve(NamedTuple):
    """The evaluations of one run, in the order of time; at least one."""

    evaluations: Sequence[Evaluation]

    def return_at(self, steps: float) -> float:
        """The mean return of the first evaluation at or after so many steps and the two before it.

        One evaluation alone depends on its moment: returns swing between evaluations. Where none
        comes as late, the last one counts.
        """
        return self._smoothed(self._index_at(steps))

    def seconds_at(self, steps: int) -> float:
        """Seconds until the first evaluation at or after so many steps, or else until the last."""
        return self.evaluations[self._index_at(steps)].seconds

    def seconds_to(self, level: float) -> float:
        """Seconds until the mean return of an evaluation and the two before it reaches a level.

        Infinity where it never does.
        """
        reached = (
            each.seconds
            for index, each in enumerate(self.evaluations)
            if self._smoothed(index) >= level
        )
        return next(reached, math.inf)

    def _index_at(self, steps: float) -> int:
        late = (index for index, each in enumerate(self.evaluations) if each.steps >= steps)
        return next(late, len(self.evaluations) - 1)

    def _smoothed(self, index: int) -> float:
        three = self.evaluations[max(0, index - 2) : index + 1]
        return sum(each.mean_return for each in three) / len(three)

    def mean_until(self, seconds: float) -> float:
        """The mean of the return over the first seconds: the area under the curve over its length.

        Between two evaluations the return is on the line between them; before the first and after
        the last it is theirs.
        """
        points = [(each.seconds, each.mean_return) for each in self.evaluations]
        points = [(0.0, points[0][1]), *points, (math.inf, points[-1][1])]
        area = 0.0
        for (left, first), (right, last) in itertools.pairwise(points):
            if left >= seconds:
                break
            end = min(right, seconds)
            slope = 0.0 if math.isinf(right) or right == left else (last - first) / (right - left)
            area += (end - left) * (first + 0.5 * slope * (end - left))
        return area / seconds


def read(path: Path) -> Curve:
    """Reads what `write` has written; raises `OSError` or `ValueError` where that cannot be."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise ValueError(f"{path} has no evaluations: delete it, and the run is done again.")
    return Curve(
        [Evaluation(float(row["seconds"]), int(row["steps"]), float(row["return"])) for row in rows]
    )


def write(curve: Curve, path: Path) -> None:
    """Writes a curve as CSV, whole or not at all."""
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(_COLUMNS)
        rows.writerows((f"{s:.1f}", steps, f"{value:.2f}") for s, steps, value in curve.evaluations)
    unfinished.replace(path)
