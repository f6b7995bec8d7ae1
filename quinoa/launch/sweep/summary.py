"""The results of a sweep: tables and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quinoa.launch.analysis import curves, plots, run_groups, scores, tables
from quinoa.launch.errors import RunError
from quinoa.launch.sweep.sweep_folder import PlannedRun, SweepFolder, SweepRunState

if TYPE_CHECKING:
    import pandas as pd

# The most lines of a subplot: those of the best combinations.
_MAX_LINES = 10


def runs_table(sweep: SweepFolder, plan: Sequence[PlannedRun]) -> pd.DataFrame:
    """Makes a table with a row for each run, by falling return within an environment.

    Returns:
        The columns run, one for each setting that differs, seed, state, return (of the last
        evaluation, which is the final one of a finished run; NaN without one), steps (the actor
        steps at that evaluation) and error.
    """
    import pandas as pd

    failed = sweep.failed()
    rows = []
    for planned in plan:
        try:
            score, steps = scores.final_score(run_groups.read(sweep.run(planned)))
        except RunError:
            score, steps = np.nan, 0
        rows.append(
            {
                "run": planned.name,
                **planned.settings,
                "seed": planned.seed,
                "state": sweep.state(planned).value,
                "return": score,
                "steps": int(steps),
                "error": failed.get(planned.name),
            }
        )
    return _sorted(pd.DataFrame(rows), "return")


def settings_table(runs: pd.DataFrame, settings: Sequence[str]) -> pd.DataFrame:
    """Makes a table with a row for each combination of settings, by falling mean.

    Args:
        runs: the table of `runs_table`.
        settings: the columns of it that are settings.

    Returns:
        The settings' columns, finished ("2 of 3" runs), and mean, std (the sample's; NaN for one
        run) and steps (the least) over all runs that have a return, finished or not.
    """
    import pandas as pd

    rows = []
    for key, same in runs.groupby(list(settings), sort=False, dropna=False):
        has_return = same.dropna(subset=["return"])
        finished = int((same["state"] == SweepRunState.FINISHED.value).sum())
        rows.append(
            {
                **dict(zip(settings, key, strict=True)),
                "finished": f"{finished} of {len(same)}",
                "mean": has_return["return"].mean(),
                "std": has_return["return"].std(ddof=1),
                "steps": has_return["steps"].min() if len(has_return) else 0,
            }
        )
    return _sorted(pd.DataFrame(rows), "mean")


def write(sweep: SweepFolder, plan: Sequence[PlannedRun]) -> tuple[pd.DataFrame, list[Path]]:
    """Writes the tables and draws the picture.

    Returns:
        The table of settings, and the files written.

    Raises:
        OSError: one cannot be written.
        RunError: a run's metrics are damaged.
    """
    runs = runs_table(sweep, plan)
    settings = list({name: None for planned in plan for name in planned.settings})
    table = settings_table(runs, settings)
    paths = [sweep.runs_table, sweep.table, sweep.table.with_suffix(".csv")]
    for path, of_path in zip(paths, (runs, table, table), strict=True):
        tables.write_table(of_path, path)
    have_returns = [
        run_groups.read(sweep.run(planned))
        for planned, value in zip(plan, _in_order(runs, plan), strict=True)
        if not np.isnan(value)
    ]
    if have_returns:
        # Only settings that runs record; other flags do not change what is learned.
        by = [name for name in settings if any(name in run.settings for run in have_returns)]
        paths.append(_draw(run_groups.group(have_returns, by), sweep.picture))
    return table, paths


def _draw(groups: run_groups.Groups, path: Path) -> Path:
    panels = []
    for environment, labels in groups.items():
        best = scores.final_table({environment: labels})["label"][:_MAX_LINES]
        more = f" (best {_MAX_LINES} of {len(labels)})" if len(labels) > _MAX_LINES else ""
        lines: Mapping[str, Sequence[curves.Curve]] = {
            label: [curves.evaluations(run.folder) for run in labels[label]] for label in best
        }
        panels.append(plots.Panel(environment + more, lines))
    return plots.plot_panels(panels, path)


def _in_order(runs: pd.DataFrame, plan: Sequence[PlannedRun]) -> list[float]:
    """The returns of the runs, in the order of the plan."""
    returns = runs.set_index("run")["return"]
    return [float(returns[planned.name]) for planned in plan]


def _sorted(table: pd.DataFrame, column: str) -> pd.DataFrame:
    return table.sort_values(
        ["env", column], ascending=[True, False], ignore_index=True, kind="stable"
    )
