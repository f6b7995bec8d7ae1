"""Draws a paper's figure from the runs in its folder that are finished, and writes its numbers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from quinoa.launch.analysis import aggregates, baseline, curves, plots, run_groups, scores, tables
from quinoa.launch.analysis.random_score import random_score_of
from quinoa.launch.analysis.run_groups import ConfiguredRun, Groups
from quinoa.launch.errors import RunError
from quinoa.launch.run.roles import Role
from quinoa.launch.storage import saved_json
from quinoa.launch.sweep import summary
from quinoa.launch.sweep.paper_figures import claims
from quinoa.launch.sweep.paper_figures.figure_folder import FigureFolder
from quinoa.launch.sweep.paper_figures.plan import LINE, is_pretraining
from quinoa.launch.sweep.sweep_folder import PlannedRun, SweepRunState
from quinoa.launch.terminal.numbers import count
from quinoa.launch.terminal.output import say

if TYPE_CHECKING:
    import pandas as pd

# What a normalized figure shows of `aggregates.AGGREGATES`: left and right in the paper.
_SHOWN = ("mean", "median")


def finished(folder: FigureFolder, plan: Sequence[PlannedRun]) -> list[PlannedRun]:
    """The runs of a plan that are finished, which are those that are drawn."""
    return [run for run in plan if folder.sweep.state(run) is SweepRunState.FINISHED]


def draw(folder: FigureFolder, plan: Sequence[PlannedRun]) -> list[Path]:
    """Draws the figure of the runs that are finished; says which are missing.

    Args:
        folder: the figure's folder.
        plan: its runs.

    Returns:
        The files written: the picture, a CSV file with the numbers in it, a CSV file with a row for
        each run; for a normalized figure, one with the scores that are 0 % and 100 %, and for one
        with claims, one that says whether each holds.

    Raises:
        OSError: a file cannot be written.
        RunError: there is nothing to draw, or a run is damaged.
    """
    done = finished(folder, plan)
    if not done:
        raise RunError(f"None of the runs in {folder.root} is finished: there is nothing to draw.")
    if len(done) < len(plan):
        _note(f"drawn from {len(done)} of {count(len(plan), 'run')}, those that are finished.")
    drawn = [run for run in done if not is_pretraining(folder.figure, run)]
    if not drawn:
        raise RunError(f"Only runs of pre-training in {folder.root} are finished, and not drawn.")
    further = _DRAW[folder.figure.kind](folder, _grouped(folder, drawn))
    tables.write_table(summary.runs_table(folder.sweep, plan), folder.sweep.runs_table)
    return [folder.picture, folder.table, folder.sweep.runs_table, *further]


def _grouped(folder: FigureFolder, runs: Sequence[PlannedRun]) -> Groups:
    """Environment → label → runs, in the order of the figure's environments and lines."""
    labels = [line.label for line in folder.figure.lines]
    found: dict[str, dict[str, list[ConfiguredRun]]] = {}
    with saved_json.parsing_file(folder.sweep.description):
        by_label = sorted(runs, key=lambda run: labels.index(run.settings[LINE]))
        environments = list({run.settings["env"]: None for run in runs})
    for environment in environments:
        for run in by_label:
            if run.settings["env"] == environment:
                of_environment = found.setdefault(environment, {})
                read = run_groups.read(folder.sweep.run(run))
                of_environment.setdefault(run.settings[LINE], []).append(read)
    return found


def _draw_normalized(folder: FigureFolder, runs: Groups) -> list[Path]:
    figure = folder.figure
    groups = _comparable(runs, figure.baseline)
    known = baseline.read_baseline(folder.baseline) if folder.baseline.is_file() else {}
    zeros, ones = {}, {}
    for environment, labels in groups.items():
        of_baseline = labels[figure.baseline]
        _, zero = known.get(environment, (0.0, None))
        zeros[environment] = random_score_of(of_baseline[0]) if zero is None else zero
        ones[environment] = baseline.score(of_baseline)
    # With the tasks that are not drawn this time, so that random actions are played once for each.
    now = {name: (one, zeros[name]) for name, one in ones.items()}
    ends = [(name, *of_task) for name, of_task in {**known, **now}.items()]
    tables.write_table(_table(("environment", "score", "random"), ends), folder.baseline)
    scales = _scales(zeros, ones)
    groups = {environment: groups[environment] for environment in scales}
    along_training = aggregates.aggregate(groups, scales)
    bands = {
        f"{name} over {count(len(groups), 'task')}": {
            label: _band(of_label, aggregates.AGGREGATES.index(name))
            for label, of_label in along_training.items()
        }
        for name in _SHOWN
    }
    plots.plot_bands(
        bands,
        folder.picture,
        title=f"{figure.about}; 100 % is {figure.baseline}'s final score",
        xlabel=curves.AXES["steps"],
        ylabel="normalised score (%)",
        level=100.0,
    )
    tables.write_table(_aggregates_table(along_training), folder.table)
    tables.say_table(aggregates.aggregate_final(groups, scales), sys.stdout)
    say("")
    return [folder.baseline]


def _scales(zeros: Mapping[str, float], ones: Mapping[str, float]) -> dict[str, baseline.Scale]:
    """The scale of each environment in which the baseline has learned something."""
    scales: dict[str, baseline.Scale] = {}
    errors: list[RunError] = []
    for environment, one in ones.items():
        try:
            scales[environment] = baseline.scale(environment, zeros[environment], one)
        except RunError as error:
            errors.append(error)
    if not scales:
        raise errors[0]
    for reason in errors:
        _note(f"left out: {reason}")
    return scales


def _comparable(runs: Groups, baseline_label: str) -> Groups:
    """The environments in which the baseline has runs, and the lines that have some in each."""
    environments = [name for name, labels in runs.items() if baseline_label in labels]
    if not environments:
        raise RunError(
            f"No run of {baseline_label}, whose score is 100 %, is finished: there is nothing to "
            "draw."
        )
    if without := [name for name in runs if name not in environments]:
        _note(f"{', '.join(without)} left out, without a finished run of {baseline_label}.")
    labels = list({label: None for name in environments for label in runs[name]})
    whole = [label for label in labels if all(label in runs[name] for name in environments)]
    if partial := [label for label in labels if label not in whole]:
        _note(f"{', '.join(partial)} left out, without a finished run in some environment.")
    return {
        name: {label: of_label for label, of_label in runs[name].items() if label in whole}
        for name in environments
    }


def _band(of_label: aggregates.Aggregates, index: int) -> plots.Band:
    if of_label.low is None or of_label.high is None:
        return plots.Band(of_label.x, of_label.values[index])
    return plots.Band(of_label.x, of_label.values[index], of_label.low[index], of_label.high[index])


def _ends(band: plots.Band) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The ends of a band's intervals; NaN where it has none."""
    none = np.full_like(band.y, np.nan)
    return (none if band.low is None else band.low, none if band.high is None else band.high)


def _table(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(columns))


def _note(text: str) -> None:
    say(f"quinoa: note: {text}", sys.stderr)


def _aggregates_table(along_training: Mapping[str, aggregates.Aggregates]) -> pd.DataFrame:
    rows: list[tuple[Any, ...]] = []
    for label, of_label in along_training.items():
        for index, name in enumerate(aggregates.AGGREGATES):
            band = _band(of_label, index)
            low, high = _ends(band)
            for point in zip(band.x, band.y, low, high, strict=True):
                rows.append((label, name, *point, of_label.num_runs))
    columns = (LINE, "aggregate", "steps", "score", "low", "high", "runs")
    return _table(columns, rows)


def _draw_by_setting(folder: FigureFolder, runs: Groups) -> list[Path]:
    figure = folder.figure
    values = {line.label: float(line.settings[figure.setting]) for line in figure.lines}
    bands: dict[str, dict[str, plots.Band]] = {}
    rows: list[tuple[Any, ...]] = []
    for environment, labels in runs.items():
        points = []
        for label in sorted(labels, key=lambda label: values[label]):
            finals = np.array([scores.final_score(run)[0] for run in labels[label]])
            # As one task at one point of training: the mean over tasks is that over the runs.
            of_value = aggregates.aggregated(finals[:, None, None], np.zeros(1))
            band = _band(of_value, aggregates.AGGREGATES.index("mean"))
            low, high = _ends(band)
            points.append((values[label], band.y[0], low[0], high[0]))
            rows.append((environment, *points[-1], of_value.num_runs))
        x, y, low, high = np.array(points).T
        has_interval = bool(np.isfinite(low).any())
        whole = plots.Band(x, y, low, high) if has_interval else plots.Band(x, y)
        bands[environment] = {f"{figure.lines[0].agent_name}, mean over its runs": whole}
    plots.plot_bands(
        bands,
        folder.picture,
        title=figure.about,
        xlabel=figure.setting,
        ylabel="final return",
        of_values=True,
    )
    columns = ("environment", figure.setting, "return", "low", "high", "runs")
    tables.write_table(_table(columns, rows), folder.table)
    return []


def _draw_curves(folder: FigureFolder, runs: Groups) -> list[Path]:
    panels: list[plots.Panel] = []
    rows: list[tuple[Any, ...]] = []
    for environment, labels in runs.items():
        lines = {
            label: [curves.evaluations(run.folder) for run in of_label]
            for label, of_label in labels.items()
        }
        panels.append(plots.Panel(environment, lines))
        for label, of_label in lines.items():
            grid, returns = curves.on_one_grid(of_label)
            for steps, at_step in zip(grid, returns.T, strict=True):
                there = at_step[~np.isnan(at_step)]
                spread = (np.median(there), there.min(), there.max(), len(there))
                rows.append((environment, label, steps, *spread))
    plots.plot_panels(panels, folder.picture)
    columns = ("environment", LINE, "steps", "median", "min", "max", "runs")
    tables.write_table(_table(columns, rows), folder.table)
    compared = claims.table(folder.figure.claims, runs)
    if compared.empty:
        return []
    tables.write_table(compared, folder.claims)
    tables.say_table(
        compared[["environment", "claim", "median", "other median", "holds"]], sys.stdout
    )
    say("")
    return [folder.claims]


def _draw_best(folder: FigureFolder, runs: Groups) -> list[Path]:
    panels: list[plots.Panel] = []
    rows: list[tuple[Any, ...]] = []
    for environment, labels in runs.items():
        lines: dict[str, list[curves.Curve]] = {}
        for label, of_label in labels.items():
            lines[label] = [_best_so_far(run) for run in of_label]
            for index, curve in enumerate(lines[label]):
                rows += [(environment, label, index, *at) for at in zip(*curve, strict=True)]
        panels.append(plots.Panel(environment, lines))
    plots.plot_panels(panels, folder.picture, of="greatest return so far")
    tables.write_table(_table(("environment", LINE, "run", "steps", "return"), rows), folder.table)
    return []


def _best_so_far(run: ConfiguredRun) -> curves.Curve:
    """The greatest return of an actor's episode so far, at the end of each episode."""
    curve = curves.read_curve(run.folder, Role.ACTOR)
    if not len(curve.x):
        raise RunError(f"The run {run.folder.root} has no episodes to draw.")
    return curves.Curve(curve.x, np.maximum.accumulate(curve.y))


def _draw_metrics(folder: FigureFolder, runs: Groups) -> list[Path]:
    panels: list[plots.Panel] = []
    rows: list[tuple[Any, ...]] = []
    for environment, labels in runs.items():
        for metric in folder.figure.metrics:
            read = {
                label: [
                    curves.read_curve(run.folder, Role.LEARNER, column=metric) for run in of_label
                ]
                for label, of_label in labels.items()
            }
            # Not every agent has every metric.
            lines = {label: each for label, each in read.items() if all(len(c.x) for c in each)}
            panels.append(plots.Panel(f"{metric}, {environment}", lines))
            for label, of_label in lines.items():
                for index, curve in enumerate(of_label):
                    rows += [
                        (environment, metric, label, index, *at)
                        for at in zip(curve.x, curve.y, strict=True)
                    ]
    plots.plot_panels(panels, folder.picture, of="metric")
    columns = ("environment", "metric", LINE, "run", "steps", "value")
    tables.write_table(_table(columns, rows), folder.table)
    return []


def _draw_plane(folder: FigureFolder, runs: Groups) -> list[Path]:
    from quinoa.launch.checkpoints import learner_checkpoints
    from quinoa.launch.experiment import saved
    from quinoa.launch.trained.plane_picture import Trained, draw_plane

    (labels,) = runs.values()
    folders = {label: of_label[0].folder for label, of_label in labels.items()}
    draw_plane(
        {
            label: Trained(saved.load(each), learner_checkpoints.newest(each.checkpoints))
            for label, each in folders.items()
        },
        folder.picture,
        points=folder.figure.points,
        num_episodes=folder.figure.episodes,
        table=folder.table,
    )
    return []


def _draw_policy(folder: FigureFolder, runs: Groups) -> list[Path]:
    from quinoa.launch.checkpoints import learner_checkpoints
    from quinoa.launch.experiment import saved
    from quinoa.launch.trained.policy_picture import draw_policy

    (labels,) = runs.values()
    (of_label,) = labels.values()
    folder_of_run = of_label[0].folder
    draw_policy(
        saved.load(folder_of_run),
        learner_checkpoints.newest(folder_of_run.checkpoints),
        folder.picture,
        steps=folder.figure.states,
        num_actions=folder.figure.actions,
        table=folder.table,
    )
    return []


_DRAW: Mapping[str, Callable[[FigureFolder, Groups], list[Path]]] = {
    "normalized": _draw_normalized,
    "by_setting": _draw_by_setting,
    "curves": _draw_curves,
    "best": _draw_best,
    "metrics": _draw_metrics,
    "policy": _draw_policy,
    "plane": _draw_plane,
}
