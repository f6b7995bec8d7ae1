"""Normalised scores aggregated over tasks, with bootstrap intervals.

Mean, median, interquartile mean and their stratified bootstrap intervals are those of Agarwal et
al. (2021), computed by their library, `rliable`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from quinoa.launch.analysis.baseline import Scale
from quinoa.launch.analysis.curves import Curve, evaluations
from quinoa.launch.analysis.run_groups import ConfiguredRun, Groups
from quinoa.launch.analysis.scores import final_score
from quinoa.launch.errors import RunError

if TYPE_CHECKING:
    import pandas as pd

# Bootstrap resamples, the confidence level of the intervals, and the points of a curve.
_RESAMPLES = 2000
_LEVEL = 0.95
_POINTS = 50

AGGREGATES = ("mean", "median", "interquartile mean")


@dataclasses.dataclass(frozen=True)
class Aggregates:
    """The `AGGREGATES` of normalised scores over tasks, at T points of training.

    Attributes:
        x: float64 [T].
        values: float64 [3, T], in %.
        low: float64 [3, T], the lower end of the 95 % interval; None with one run per task, which
            gives no interval.
        high: float64 [3, T], the upper end, likewise.
        num_runs: the number of runs per task.
    """

    x: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64] | None
    high: npt.NDArray[np.float64] | None
    num_runs: int


def aggregate(
    groups: Groups,
    scales_by_environment: Mapping[str, Scale],
    axis: str = "steps",
    smooth: int = 1,
) -> dict[str, Aggregates]:
    """Aggregates each label's normalised scores over all tasks, along training.

    A label's curve covers the range of x that all its runs have in common. If tasks have different
    numbers of runs, each counts with as many as the task with the fewest has.

    Args:
        groups: the runs; each label needs runs on each environment.
        scales_by_environment: see `baseline`.
        axis: a key of `curves.AXES`.
        smooth: see `curves.evaluations`.

    Raises:
        RunError: a label has no runs on some environment, or a run has no evaluations, or they are
            damaged.
    """
    result = {}
    for label, by_environment in by_label(groups).items():
        curves = {
            environment: [evaluations(run.folder, axis, smooth) for run in runs]
            for environment, runs in by_environment.items()
        }
        all_curves = [curve for of_task in curves.values() for curve in of_task]
        start = max(curve.x[0] for curve in all_curves)
        end = min(curve.x[-1] for curve in all_curves)
        if start > end:
            raise RunError(f"The runs of {label} have no place in common to be compared at.")
        points = np.linspace(start, end, _POINTS)
        result[label] = aggregated(_matrix(curves, scales_by_environment, points), points)
    return result


def aggregate_final(
    groups: Groups, scales_by_environment: Mapping[str, Scale], last: int = 1
) -> pd.DataFrame:
    """Aggregates each label's normalised final scores over all tasks.

    Returns:
        The columns label, tasks, runs (per task) and, for each of `AGGREGATES`, its value in % and
        the ends of its 95 % interval (NaN with one run per task); by falling mean.

    Raises:
        RunError: see `aggregate`.
    """
    import pandas as pd

    rows = []
    for label, by_environment in by_label(groups).items():
        curves = {
            environment: [Curve(np.zeros(1), np.array([final_score(run, last)[0]])) for run in runs]
            for environment, runs in by_environment.items()
        }
        points = np.zeros(1)
        of_label = aggregated(_matrix(curves, scales_by_environment, points), points)
        row = {"label": label, "tasks": len(curves), "runs": of_label.num_runs}
        for index, name in enumerate(AGGREGATES):
            row[name] = of_label.values[index, 0]
            row[f"{name} low"] = np.nan if of_label.low is None else of_label.low[index, 0]
            row[f"{name} high"] = np.nan if of_label.high is None else of_label.high[index, 0]
        rows.append(row)
    return pd.DataFrame(rows).sort_values(AGGREGATES[0], ascending=False, ignore_index=True)


def by_label(groups: Groups) -> dict[str, dict[str, Sequence[ConfiguredRun]]]:
    """Regroups runs: label → environment → runs.

    Raises:
        RunError: a label has no runs on some environment, so that aggregates over all environments
            would not be comparable.
    """
    labels = {label: None for of_environment in groups.values() for label in of_environment}
    result: dict[str, dict[str, Sequence[ConfiguredRun]]] = {}
    for label in labels:
        for environment, of_environment in groups.items():
            if label not in of_environment:
                raise RunError(
                    f"{label} has no runs on {environment}, so over all tasks it cannot be "
                    "compared: give some, or leave that task out."
                )
            result.setdefault(label, {})[environment] = of_environment[label]
    return result


def _matrix(
    curves: Mapping[str, Sequence[Curve]],
    by_environment: Mapping[str, Scale],
    points: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Normalised scores in %, float64 [runs, tasks, T]."""
    num_runs = min(map(len, curves.values()))
    tasks = []
    for environment, of_task in curves.items():
        scale = by_environment[environment]
        returns = np.stack([np.interp(points, *curve) for curve in of_task[:num_runs]])
        tasks.append(100 * (returns - scale.zero) / (scale.one - scale.zero))
    return np.stack(tasks, axis=1)


def aggregated(scores: npt.NDArray[np.float64], points: npt.NDArray[np.float64]) -> Aggregates:
    """Aggregates scores that are given.

    Args:
        scores: float64 [runs, tasks, T], in any unit, which is that of what is returned.
        points: float64 [T], the points of training.
    """
    num_runs = len(scores)
    if num_runs == 1:
        return Aggregates(points, _all_aggregates(scores), None, None, 1)
    from rliable import library

    with _seeded():
        values, intervals = library.get_interval_estimates(
            {"": scores},
            lambda resampled: _all_aggregates(resampled).ravel(),
            reps=_RESAMPLES,
            confidence_interval_size=_LEVEL,
        )
    shape = (len(AGGREGATES), len(points))
    low, high = (end.reshape(shape) for end in intervals[""])
    return Aggregates(points, values[""].reshape(shape), low, high, num_runs)


def _all_aggregates(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The `AGGREGATES` of scores, float64 [runs, tasks, T]: float64 [3, T]."""
    from rliable import metrics
    from scipy.stats import trim_mean

    # rliable's own interquartile mean takes one point of training at a time.
    flat = scores.reshape(-1, scores.shape[-1])
    interquartile = trim_mean(flat, proportiontocut=0.25, axis=0)
    return np.stack(
        [metrics.aggregate_mean(scores), metrics.aggregate_median(scores), interquartile]
    )


@contextmanager
def _seeded() -> Iterator[None]:
    """Seeds NumPy's global generator, which rliable draws from, so that intervals repeat."""
    state = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(state)
