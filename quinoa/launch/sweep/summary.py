"""What came of a sweep: tables and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quinoa.launch.analysis import curves, plots, run_groups, scores, tables
from quinoa.launch.errors import RunError
from quinoa.launch.sweep.folder import Planned, State, SweepFolder

if TYPE_CHECKING:
    import pandas as pd

# Lines that a subplot has at most: those of the best.
_MAX_LINES = 10


def runs_table(sweep: SweepFolder, plan: Sequence[Planned]) -> pd.DataFrame:
    """A row for each run of a sweep, the best first on each environment.

    Returns:
        The columns run, a column for each setting that differs, seed, state, return (of the last
        evaluation, the final one of a run that is finished; empty where there is none), steps (at
        which that was) and error.
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
    """A row for each combination of settings, the best first on each environment.

    Args:
        runs: of `runs_table`.
        settings: the columns that are settings.

    Returns:
        The settings' columns, finished (of how many runs), mean, std (over seeds, of a sample;
        empty for one) and steps (the least); of the runs that have a return, whether they are
        finished or not.
    """
    import pandas as pd

    rows = []
    for key, same in runs.groupby(list(settings), sort=False, dropna=False):
        has_return = same.dropna(subset=["return"])
        finished = int((same["state"] == State.FINISHED.value).sum())
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


def write(sweep: SweepFolder, plan: Sequence[Planned]) -> tuple[pd.DataFrame, list[Path]]:
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
        # Their names as runs have them; those of flags alone say nothing of what is learned.
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


def _in_order(runs: pd.DataFrame, plan: Sequence[Planned]) -> list[float]:
    """The returns of the runs as they are planned."""
    returns = runs.set_index("run")["return"]
    return [float(returns[planned.name]) for planned in plan]


def _sorted(table: pd.DataFrame, column: str) -> pd.DataFrame:
    return table.sort_values(
        ["env", column], ascending=[True, False], ignore_index=True, kind="stable"
    )
