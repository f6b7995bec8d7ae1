"""The results of a sweep: tables and a picture."""

from __future__ import annotations

import contextlib
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from quinoa.launch.analysis import curves, measures, plots, run_groups, scores, tables
from quinoa.launch.analysis.measures import LEARNED_FROM, RETURN, Measure
from quinoa.launch.analysis.run_groups import ConfiguredRun
from quinoa.launch.errors import RunError
from quinoa.launch.run.counts import LEARNER_STEPS
from quinoa.launch.sweep.sweep_folder import PlannedRun, SweepFolder, SweepRunState

if TYPE_CHECKING:
    import pandas as pd

# The most lines of a subplot, those of the best combinations; fewer where there are many subplots.
_MAX_LINES = 10


# What runs record under another name than the flag's.
_RECORDED = {"env_set": "env_kwargs"}


def runs_table(
    sweep: SweepFolder, plan: Sequence[PlannedRun], measure: Measure = RETURN
) -> pd.DataFrame:
    """Makes a table with a row for each run, by falling return within an environment.

    Args:
        sweep: the sweep's folder.
        plan: its runs.
        measure: what they are compared by, in place of returns.

    Returns:
        The columns run, one for each setting that differs, seed, state, return or the measure's
        (of the last evaluation, which is the final one of a finished run; NaN without one), steps
        (at that evaluation; measured_at where steps is a setting that differs) and error.
    """
    import pandas as pd

    failed = sweep.failed()
    rows = []
    for planned in plan:
        try:
            score, steps = scores.final_score(run_groups.read(sweep.run(planned)), 1, measure)
        except RunError:
            score, steps = np.nan, 0
        rows.append(
            {
                "run": planned.name,
                **planned.settings,
                "seed": planned.seed,
                "state": sweep.state(planned).value,
                measure.column: score,
                _steps_column(planned.settings): int(steps),
                "error": failed.get(planned.name),
            }
        )
    return _sorted(pd.DataFrame(rows), measure.column)


def settings_table(
    runs: pd.DataFrame, settings: Sequence[str], measure: Measure = RETURN
) -> pd.DataFrame:
    """Makes a table with a row for each combination of settings, by falling mean.

    Args:
        runs: the table of `runs_table`.
        settings: the columns of it that are settings.
        measure: that the table was made with.

    Returns:
        The settings' columns, finished ("2 of 3" runs), and mean, std (the sample's; NaN for one
        run) and steps (the least; measured_at where steps is a setting) over all runs that have
        measured something, finished or not.
    """
    import pandas as pd

    rows = []
    steps = _steps_column(settings)
    for key, same in runs.groupby(list(settings), sort=False, dropna=False):
        measured = same.dropna(subset=[measure.column])
        finished = int((same["state"] == SweepRunState.FINISHED.value).sum())
        rows.append(
            {
                **dict(zip(settings, key, strict=True)),
                "finished": f"{finished} of {len(same)}",
                "mean": measured[measure.column].mean(),
                "std": measured[measure.column].std(ddof=1),
                steps: measured[steps].min() if len(measured) else 0,
            }
        )
    return _sorted(pd.DataFrame(rows), "mean")


def _steps_column(settings: Container[str]) -> str:
    """The column of the steps at which something was measured, beside those of the settings."""
    return "measured_at" if "steps" in settings else "steps"


class Results(NamedTuple):
    """What has come of a sweep.

    Attributes:
        measure: what its runs were compared by.
        table: of `settings_table`.
        paths: the files written.
    """

    measure: Measure
    table: pd.DataFrame
    paths: list[Path]


def write(sweep: SweepFolder, plan: Sequence[PlannedRun]) -> Results:
    """Writes the tables and draws the picture.

    Raises:
        OSError: one cannot be written.
        RunError: a run's metrics are damaged.
    """
    measured = _measured(sweep, plan)
    measure = measures.of(measured)
    if not measured and any(planned.unit == LEARNER_STEPS for planned in plan):
        measure = LEARNED_FROM
    runs = runs_table(sweep, plan, measure)
    settings = list({name: None for planned in plan for name in planned.settings})
    table = settings_table(runs, settings, measure)
    paths = [sweep.runs_table, sweep.table, sweep.table.with_suffix(".csv")]
    for path, of_path in zip(paths, (runs, table, table), strict=True):
        tables.write_table(of_path, path, measure)
    if measured:
        # Only settings that runs record, by their names there; other flags do not change what is
        # learned.
        names = [_RECORDED.get(name, name) for name in settings]
        by = [name for name in names if any(name in run.settings for run in measured)]
        paths.append(_draw(run_groups.group(measured, by), measure, sweep.picture))
    return Results(measure, table, paths)


def _measured(sweep: SweepFolder, plan: Sequence[PlannedRun]) -> list[ConfiguredRun]:
    """The runs that have anything to be compared by; those whose files are damaged have not."""
    found = []
    for planned in plan:
        with contextlib.suppress(RunError):
            run = run_groups.read(sweep.run(planned))
            if measures.has_measured(run):
                found.append(run)
    return found


def _draw(groups: run_groups.Groups, measure: Measure, path: Path) -> Path:
    panels = []
    # No two lines of the picture look alike.
    most = max(1, min(_MAX_LINES, plots.MAX_LINES // len(groups)))
    for environment, labels in groups.items():
        best = scores.final_table({environment: labels}, 1, measure)["label"][:most]
        more = f" (best {most} of {len(labels)})" if len(labels) > most else ""
        lines: Mapping[str, Sequence[curves.Curve]] = {
            label: [measure.curve(run) for run in labels[label]] for label in best
        }
        panels.append(plots.Panel(environment + more, lines))
    return plots.plot_panels(panels, path, axis=measure.default_axis, of=measure.text)


def _sorted(table: pd.DataFrame, column: str) -> pd.DataFrame:
    task = "env" if "env" in table else "demonstrations"
    return table.sort_values(
        [task, column], ascending=[True, False], ignore_index=True, kind="stable"
    )
