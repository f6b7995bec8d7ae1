"""Scores of runs: their last evaluations, and these against a baseline's.

A normalised score is 100 (s − r) / (b − r) %, with r what random actions get and b what the
baseline does (Vieillard et al., 2021, section 6). Mean, median and interquartile mean over tasks,
and their intervals, are those of Agarwal et al. (2021), by their library, `rliable`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

import numpy as np

from quinoa.launch.analysis.curves import Curve, evaluations
from quinoa.launch.analysis.run_groups import Groups, Run
from quinoa.launch.errors import RunError
from quinoa.launch.storage.files import write_text
from quinoa.launch.terminal.output import say, say_columns

if TYPE_CHECKING:
    import pandas as pd

# Bootstrap resamples, the size of the intervals, and places of a normalised curve.
_RESAMPLES = 2000
_LEVEL = 0.95
_PLACES = 50

AGGREGATES = ("mean", "median", "interquartile mean")


class Scale(NamedTuple):
    """What a task's normalised score is measured by.

    Attributes:
        zero: the return that is 0 %.
        one: the return that is 100 %.
    """

    zero: float
    one: float


@dataclasses.dataclass(frozen=True)
class Aggregates:
    """The `AGGREGATES` of normalised scores over tasks, at T places.

    Attributes:
        x: float64 [T].
        values: float64 [3, T], in %.
        low: float64 [3, T], where the 95 % interval begins; None where there is one run a task, and
            so nothing to tell it from.
        high: float64 [3, T], where it ends.
        num_runs: of each task.
    """

    x: np.ndarray
    values: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    num_runs: int


def final_score(run: Run, last: int = 1) -> tuple[float, float]:
    """The mean of a run's last evaluations, and the actor steps of the last one.

    Raises:
        RunError: it has none, or they are damaged.
    """
    curve = evaluations(run.folder)
    return float(curve.y[-last:].mean()), float(curve.x[-1])


def final_table(groups: Groups, last: int = 1) -> pd.DataFrame:
    """A row for each environment and label: mean ± std over runs of their last evaluations.

    Args:
        groups: the runs.
        last: evaluations at a run's end that its score is the mean of.

    Returns:
        The columns environment, label, runs, mean, std (of a sample; empty for one run), min, max
        and steps (the least of the runs'), the best first in each environment.

    Raises:
        RunError: a run has no evaluations, or they are damaged.
    """
    import pandas as pd

    rows = []
    for environment, labels in groups.items():
        for label, runs in labels.items():
            scores, steps = np.array([final_score(run, last) for run in runs]).T
            rows.append(
                {
                    "environment": environment,
                    "label": label,
                    "runs": len(runs),
                    "mean": scores.mean(),
                    "std": scores.std(ddof=1) if len(runs) > 1 else np.nan,
                    "min": scores.min(),
                    "max": scores.max(),
                    "steps": int(steps.min()),
                }
            )
    table = pd.DataFrame(rows)
    return table.sort_values(["environment", "mean"], ascending=[True, False], ignore_index=True)


def scales(
    groups: Groups, baseline: str, zeros: Mapping[str, float], last: int = 1
) -> dict[str, Scale]:
    """The scale of each environment by the runs of one label.

    Args:
        groups: the runs.
        baseline: the label; its last evaluations are 100 %, their mean over its runs.
        zeros: the return that is 0 %, by environment.
        last: evaluations at a run's end that its score is the mean of.

    Raises:
        RunError: it has no runs in some environment, or is no better there than random.
    """
    result = {}
    for environment, labels in groups.items():
        if baseline not in labels:
            raise RunError(
                f"The baseline {baseline} has no runs on {environment}: give some, leave that "
                "out, or give a file of scores."
            )
        one = float(np.mean([final_score(run, last)[0] for run in labels[baseline]]))
        result[environment] = _scale(environment, zeros[environment], one)
    return result


def read_baseline(path: Path) -> dict[str, tuple[float, float | None]]:
    """Reads a baseline's scores: a CSV file with the columns environment, score and maybe random.

    Returns:
        By environment, its score and the score of random actions, None where that is not said.

    Raises:
        RunError: it is something else.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, skipinitialspace=True, comment="#")
        if "random" not in table:
            table["random"] = np.nan
        scores = table[["score", "random"]].astype(float)
        names = [str(name).strip() for name in table["environment"]]
    except (OSError, ValueError, KeyError) as error:
        raise RunError(
            f"{path} is no file of scores: a CSV file has a line for each environment, and the "
            f"columns environment, score and, where it is known, random ({error})."
        ) from error
    result = {}
    for name, score, random in zip(names, scores["score"], scores["random"], strict=True):
        if not np.isfinite(score):
            raise RunError(f"{path} gives no score for {name}.")
        result[name] = (float(score), None if np.isnan(random) else float(random))
    return result


def scales_of_file(
    environments: Sequence[str],
    scores: Mapping[str, tuple[float, float | None]],
    zeros: Mapping[str, float],
) -> dict[str, Scale]:
    """The scale of each environment by the scores that `read_baseline` gave.

    Raises:
        RunError: it has none for some environment, or one that is no better than random.
    """
    for environment in environments:
        if environment not in scores:
            raise RunError(f"The baseline's file has no score for {environment}.")
    return {
        environment: _scale(environment, zeros[environment], scores[environment][0])
        for environment in environments
    }


def aggregate(
    groups: Groups,
    scales_by_environment: Mapping[str, Scale],
    axis: str = "steps",
    smooth: int = 1,
) -> dict[str, Aggregates]:
    """Normalised scores over all tasks along training, of each label.

    A label's curve goes from where all its runs have begun to where the first of them ends. Of
    tasks with more runs than another, as many are taken as that one has.

    Args:
        groups: the runs; each label must have some in each environment.
        scales_by_environment: see `scales`.
        axis: a key of `curves.AXES`.
        smooth: see `curves.evaluations`.

    Raises:
        RunError: a label lacks an environment, or a run has no evaluations, or they are damaged.
    """
    result = {}
    for label, by_environment in by_label(groups).items():
        curves = {
            environment: [evaluations(run.folder, axis, smooth) for run in runs]
            for environment, runs in by_environment.items()
        }
        everything = [curve for of_task in curves.values() for curve in of_task]
        start = max(curve.x[0] for curve in everything)
        end = min(curve.x[-1] for curve in everything)
        if start > end:
            raise RunError(f"The runs of {label} have no place in common to be compared at.")
        places = np.linspace(start, end, _PLACES)
        result[label] = _aggregated(_matrix(curves, scales_by_environment, places), places)
    return result


def aggregate_final(
    groups: Groups, scales_by_environment: Mapping[str, Scale], last: int = 1
) -> pd.DataFrame:
    """Normalised scores of the last evaluations over all tasks, of each label.

    Returns:
        The columns label, tasks, runs (of each task) and, for each of `AGGREGATES`, its value in %
        and its 95 % interval's ends, NaN where there is one run a task; the best mean first.

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
        places = np.zeros(1)
        of_label = _aggregated(_matrix(curves, scales_by_environment, places), places)
        row = {"label": label, "tasks": len(curves), "runs": of_label.num_runs}
        for index, name in enumerate(AGGREGATES):
            row[name] = of_label.values[index, 0]
            row[f"{name} low"] = np.nan if of_label.low is None else of_label.low[index, 0]
            row[f"{name} high"] = np.nan if of_label.high is None else of_label.high[index, 0]
        rows.append(row)
    return pd.DataFrame(rows).sort_values(AGGREGATES[0], ascending=False, ignore_index=True)


def by_label(groups: Groups) -> dict[str, dict[str, Sequence[Run]]]:
    """The runs of each environment, by label.

    Raises:
        RunError: a label has no runs in some environment: then no aggregate over all is comparable.
    """
    labels = {label: None for of_environment in groups.values() for label in of_environment}
    result: dict[str, dict[str, Sequence[Run]]] = {}
    for label in labels:
        for environment, of_environment in groups.items():
            if label not in of_environment:
                raise RunError(
                    f"{label} has no runs on {environment}, so over all tasks it cannot be "
                    "compared: give some, or leave that task out."
                )
            result.setdefault(label, {})[environment] = of_environment[label]
    return result


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Writes a table, as CSV with all its digits or, to a file that ends in .md, as Markdown.

    Raises:
        RunError: the ending is another.
        OSError: it cannot be written.
    """
    if path.suffix not in (".csv", ".md"):
        raise RunError(f"{path} is neither .csv nor .md, which a table's file must be.")
    text = table.to_csv(index=False) if path.suffix == ".csv" else markdown(table) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)


def markdown(table: pd.DataFrame) -> str:
    """A table as Markdown, for people."""
    import pandas as pd

    # Numbers are written as they are to be seen, and what was typed as it was typed.
    text: str = pd.DataFrame(for_people(table)).to_markdown(index=False, disable_numparse=True)
    return text


def say_table(table: pd.DataFrame, stream: TextIO) -> None:
    """Prints a table for people: in a terminal as wide as that at most, elsewhere as Markdown."""
    if stream.isatty():
        say_columns(for_people(table), stream)
    else:
        say(markdown(table), stream)


def for_people(table: pd.DataFrame) -> dict[str, list[str]]:
    """The columns of a table, with few digits, and what belongs together in one column."""
    shown: dict[str, list[str]] = {}
    for column in table:
        if column == "mean" and "std" in table:
            pairs = zip(table["mean"], table["std"], strict=True)
            shown["return (mean ± std)"] = [_with(*pair) for pair in pairs]
        elif f"{column} low" in table:
            ends = (table[column], table[f"{column} low"], table[f"{column} high"])
            rows = zip(*ends, strict=True)
            shown[f"{column}, % [95 % interval]"] = [_between(*row) for row in rows]
        elif column != "std" and not column.endswith((" low", " high")):
            shown[column] = [_shown(value) for value in table[column]]
    return shown


def _shown(value: object) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _with(mean: float, std: float) -> str:
    if np.isnan(mean):
        return ""
    return f"{mean:.1f}" if np.isnan(std) else f"{mean:.1f} ± {std:.1f}"


def _between(value: float, low: float, high: float) -> str:
    return f"{value:.1f}" if np.isnan(low) else f"{value:.1f} [{low:.1f}, {high:.1f}]"


def _scale(environment: str, zero: float, one: float) -> Scale:
    if one <= zero:
        raise RunError(
            f"On {environment} the baseline's score, {one:.1f}, is not above that of random "
            f"actions, {zero:.1f}: nothing can be measured by it."
        )
    return Scale(zero, one)


def _matrix(
    curves: Mapping[str, Sequence[Curve]], by_environment: Mapping[str, Scale], places: np.ndarray
) -> np.ndarray:
    """Normalised scores in %, float64 [runs, tasks, T]."""
    num_runs = min(map(len, curves.values()))
    tasks = []
    for environment, of_task in curves.items():
        scale = by_environment[environment]
        returns = np.stack([np.interp(places, *curve) for curve in of_task[:num_runs]])
        tasks.append(100 * (returns - scale.zero) / (scale.one - scale.zero))
    return np.stack(tasks, axis=1)


def _aggregated(scores: np.ndarray, places: np.ndarray) -> Aggregates:
    """Aggregates scores, float64 [runs, tasks, T]."""
    num_runs = len(scores)
    if num_runs == 1:
        return Aggregates(places, _all_aggregates(scores), None, None, 1)
    from rliable import library

    with _seeded():
        values, intervals = library.get_interval_estimates(
            {"": scores},
            lambda resampled: _all_aggregates(resampled).ravel(),
            reps=_RESAMPLES,
            confidence_interval_size=_LEVEL,
        )
    shape = (len(AGGREGATES), len(places))
    low, high = (end.reshape(shape) for end in intervals[""])
    return Aggregates(places, values[""].reshape(shape), low, high, num_runs)


def _all_aggregates(scores: np.ndarray) -> np.ndarray:
    """The `AGGREGATES` of scores, float64 [runs, tasks, T]: float64 [3, T]."""
    from rliable import metrics
    from scipy.stats import trim_mean

    # rliable's own interquartile mean takes one place at a time.
    flat = scores.reshape(-1, scores.shape[-1])
    interquartile = trim_mean(flat, proportiontocut=0.25, axis=0)
    return np.stack(
        [metrics.aggregate_mean(scores), metrics.aggregate_median(scores), interquartile]
    )


@contextmanager
def _seeded() -> Iterator[None]:
    """Has NumPy's global generator, from which rliable draws, draw the same each time."""
    state = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(state)
