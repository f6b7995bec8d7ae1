"""Learning curves as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from launch.errors import RunError
from launch.run_folder import RunFolder

# Okabe and Ito's colours, which people with any kind of colour vision can tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_GRID_POINTS = 200

Curve = tuple[np.ndarray, np.ndarray]


def read_curve(folder: RunFolder, role: str) -> Curve:
    """The returns of one role over actor steps, in order.

    Args:
        folder: of the run.
        role: actor or evaluator.

    Returns:
        Actor steps and returns, float64 [T] each; T is 0 where there are none.

    Raises:
        RunError: the file is damaged.
    """
    import pandas as pd

    path = folder.metrics(role)
    if not path.is_file():
        return np.empty(0), np.empty(0)
    try:
        table = pd.read_csv(path)[["actor_steps", "episode_return"]].astype(float).dropna()
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{path} is damaged ({error}).") from error
    table = table.sort_values("actor_steps", kind="stable")
    return table["actor_steps"].to_numpy(), table["episode_return"].to_numpy()


def plot_run(folder: RunFolder, title: str) -> Path:
    """Draws a run's learning curve into its folder: evaluations, and the actors' returns.

    Returns:
        The picture's path.

    Raises:
        RunError: the metrics are damaged.
    """
    figure, axes = _new_figure(title)
    steps, returns = read_curve(folder, "actor")
    if len(steps):
        axes.plot(
            steps, returns, ".", color=_COLOURS[5], markersize=3, label="actors, as they learn"
        )
    steps, returns = read_curve(folder, "evaluator")
    axes.plot(steps, returns, "o-", color=_COLOURS[0], markersize=4, label="evaluation")
    return _save(figure, axes, folder.learning_curve)


def plot_runs(groups: Sequence[tuple[str, Sequence[RunFolder]]], title: str, path: Path) -> Path:
    """Draws the evaluations of several runs: a line and a band for each group.

    The line is the median over the runs of a group (its seeds), the band goes from their least to
    their greatest value; both end where the shortest run does.

    Args:
        groups: the label of each group, and its runs.
        title: of the picture.
        path: where it goes; the ending says the format.

    Raises:
        RunError: a run has no evaluations, or its metrics are damaged.
    """
    figure, axes = _new_figure(title)
    for index, (label, runs) in enumerate(groups):
        colour = _COLOURS[index % len(_COLOURS)]
        grid, values = _on_one_grid(runs)
        plural = f" ({len(runs)} runs)" if len(runs) > 1 else ""
        axes.plot(grid, np.median(values, axis=0), color=colour, label=f"{label}{plural}")
        if len(runs) > 1:
            axes.fill_between(
                grid, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.2, linewidth=0
            )
    return _save(figure, axes, path)


def _on_one_grid(runs: Sequence[RunFolder]) -> Curve:
    """Interpolates the evaluations of several runs to the same steps: [T], [number of runs, T]."""
    curves = [read_curve(run, "evaluator") for run in runs]
    for run, (steps, _) in zip(runs, curves, strict=True):
        if not len(steps):
            raise RunError(f"The run {run.root} has no evaluations to draw.")
    start = max(steps[0] for steps, _ in curves)
    end = min(steps[-1] for steps, _ in curves)
    grid = np.linspace(start, end, _GRID_POINTS)
    return grid, np.stack([np.interp(grid, steps, returns) for steps, returns in curves])


def _new_figure(title: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    # Without pyplot: no display is looked for, and nothing is kept when it is done.
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    axes.set_xlabel("actor steps (actions)")
    axes.set_ylabel("return of an episode")
    axes.grid(alpha=0.3)
    return figure, axes


def _save(figure: Any, axes: Any, path: Path) -> Path:
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    return path
