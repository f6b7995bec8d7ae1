"""The baseline of a normalised score, from runs or from a file.

A normalised score is 100 (s − r) / (b − r) %, where r is the score of random actions and b the
baseline's (Vieillard et al., 2021, section 6).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from quinoa.launch.analysis.run_groups import ConfiguredRun, Groups
from quinoa.launch.analysis.scores import final_score
from quinoa.launch.errors import RunError


class Scale(NamedTuple):
    """The two returns that define a task's normalised score.

    Attributes:
        zero: the return that is 0 %.
        one: the return that is 100 %.
    """

    zero: float
    one: float


def scales(
    groups: Groups, baseline: str, zeros: Mapping[str, float], last: int = 1
) -> dict[str, Scale]:
    """Takes the runs of one label as the baseline.

    Args:
        groups: the runs.
        baseline: the label; the mean final score of its runs is 100 %.
        zeros: the return that is 0 %, by environment.
        last: see `scores.final_score`.

    Returns:
        The scale of each environment.

    Raises:
        RunError: the label has no runs on some environment, or is no better there than random.
    """
    result = {}
    for environment, labels in groups.items():
        if baseline not in labels:
            raise RunError(
                f"The baseline {baseline} has no runs on {environment}: give some, leave that "
                "out, or give a file of scores."
            )
        one = score(labels[baseline], last)
        result[environment] = scale(environment, zeros[environment], one)
    return result


def score(runs: Sequence[ConfiguredRun], last: int = 1) -> float:
    """The mean final score of runs of a baseline, which is 100 %.

    Args:
        runs: one or more.
        last: see `scores.final_score`.

    Raises:
        RunError: one has no evaluations, or they are damaged.
    """
    return float(np.mean([final_score(run, last)[0] for run in runs]))


def scale(environment: str, zero: float, one: float) -> Scale:
    """The scale of one environment.

    Args:
        environment: its name, for the error.
        zero: the return that is 0 %.
        one: the return that is 100 %.

    Raises:
        RunError: 100 % is not above 0 %.
    """
    if one <= zero:
        raise RunError(
            f"On {environment} the baseline's score, {one:.1f}, is not above that of random "
            f"actions, {zero:.1f}: nothing can be measured by it."
        )
    return Scale(zero, one)


def read_baseline(path: Path) -> dict[str, tuple[float, float | None]]:
    """Reads a CSV file with the columns environment, score and, optionally, random.

    Returns:
        By environment, the baseline's score and that of random actions, None if not given.

    Raises:
        RunError: the file is not of that form.
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
    """Takes the scores that `read_baseline` returned as the baseline.

    Args:
        environments: the environments to make scales for.
        scores: from `read_baseline`.
        zeros: the return that is 0 %, by environment.

    Raises:
        RunError: an environment has no score, or one that is no better than random.
    """
    for environment in environments:
        if environment not in scores:
            raise RunError(f"The baseline's file has no score for {environment}.")
    return {
        environment: scale(environment, zeros[environment], scores[environment][0])
        for environment in environments
    }
