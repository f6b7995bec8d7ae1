"""Scores of runs: what they have measured last, as the mean return; and tables over runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quinoa.launch.analysis.curves import evaluations_table
from quinoa.launch.analysis.measures import RETURN, Measure
from quinoa.launch.analysis.run_groups import ConfiguredRun, Groups

if TYPE_CHECKING:
    import pandas as pd


def final_score(
    run: ConfiguredRun, last: int = 1, measure: Measure = RETURN
) -> tuple[float, float]:
    """The mean return of a run's last evaluations, and the actor steps at the very last.

    Args:
        run: the run.
        last: the number of evaluations to average over.
        measure: in place of returns; with log-likelihoods the steps are gradient steps.

    Raises:
        RunError: it has no evaluations, or they are damaged.
    """
    curve = measure.curve(run)
    return float(curve.y[-last:].mean()), float(curve.x[-1])


def final_table(groups: Groups, last: int = 1, measure: Measure = RETURN) -> pd.DataFrame:
    """Summarises the final scores of each environment and label in one row.

    Args:
        groups: the runs.
        last: see `final_score`.
        measure: likewise.

    Returns:
        The columns environment, label, runs (their number), mean, std (the sample's; NaN for one
        run), min, max and steps (the least over the runs); within an environment by falling mean.

    Raises:
        RunError: a run has no evaluations, or they are damaged.
    """
    import pandas as pd

    rows = []
    for environment, labels in groups.items():
        for label, runs in labels.items():
            scores, steps = np.array([final_score(run, last, measure) for run in runs]).T
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


def all_evaluations(groups: Groups) -> pd.DataFrame:
    """Lists every evaluation of every run, in the order of the groups.

    Args:
        groups: the runs.

    Returns:
        The columns environment, label, run (the name of its folder) and seed, and those of
        `curves.evaluations_table`.

    Raises:
        RunError: a run has no evaluations, or they are damaged.
    """
    import pandas as pd

    tables = []
    for environment, labels in groups.items():
        for label, runs in labels.items():
            for run in runs:
                name, seed = run.folder.root.name, run.settings.get("seed")
                table = evaluations_table(run.folder)
                who = {"environment": environment, "label": label, "run": name, "seed": seed}
                for place, (column, value) in enumerate(who.items()):
                    table.insert(place, column, value)
                tables.append(table)
    return pd.concat(tables, ignore_index=True)
