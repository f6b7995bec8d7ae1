"""Learning curves of runs as arrays, read from their metrics files."""

from __future__ import annotations

import datetime
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from quinoa.launch.errors import RunError
from quinoa.launch.run.columns import EPISODE_RETURN, LOG_LIKELIHOOD, WALL_TIME
from quinoa.launch.run.counts import ACTOR_STEPS, LEARNER_STEPS
from quinoa.launch.run.roles import METRIC_ROLES, Role
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage import saved_json
from quinoa.launch.storage.files import read_json

if TYPE_CHECKING:
    import pandas as pd

# The horizontal axes that a curve can have, with their labels.
AXES: Mapping[str, str] = {
    "steps": "actor steps (actions)",
    "updates": "gradient steps",
    "hours": "hours of training",
}
_COLUMNS = {"steps": ACTOR_STEPS, "updates": LEARNER_STEPS, "hours": WALL_TIME}


class Curve(NamedTuple):
    """The episode returns of one run.

    Attributes:
        x: float64 [T], non-decreasing, in the unit of the axis.
        y: float64 [T], undiscounted episode returns.
    """

    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]


def read_curve(
    folder: RunFolder, role: str, axis: str = "steps", column: str = EPISODE_RETURN
) -> Curve:
    """Reads the episode returns that one role has logged; T is 0 if it has logged none.

    Args:
        folder: the run's folder; the run may still be running.
        role: actor or evaluator.
        axis: a key of `AXES`. Hours count from the start of the run, without the time in which it
            was stopped before it was resumed.
        column: another metric of the role, in place of the episode returns; T is 0 if the role has
            no such metric.

    Raises:
        RunError: a file is damaged.
    """
    of_axis = _COLUMNS[axis]
    if column != EPISODE_RETURN:
        logged = read_table(folder.metrics(role))
        if logged is None or column not in logged:
            return Curve(np.empty(0), np.empty(0))
    table = _read(folder, role, [of_axis, column])
    if table is None:
        return Curve(np.empty(0), np.empty(0))
    table = table.dropna().sort_values(of_axis, kind="stable")
    x, y = table[of_axis].to_numpy(), table[column].to_numpy()
    return Curve(hours(folder, x) if axis == "hours" else x, y)


def evaluations(folder: RunFolder, axis: str = "steps", smooth: int = 1) -> Curve:
    """Reads the evaluations of a run; of several at the same x, only the last.

    Args:
        folder: the run's folder.
        axis: see `read_curve`.
        smooth: the width of a centred moving average, in evaluations; 1 does not smooth.

    Raises:
        RunError: the run has no evaluations, or the file is damaged.
    """
    curve = read_curve(folder, Role.EVALUATOR, axis)
    if not len(curve.x):
        raise RunError(f"The run {folder.root} has no evaluations to draw.")
    is_last = np.append(np.diff(curve.x) > 0, True)
    return _smoothed(Curve(curve.x[is_last], curve.y[is_last]), smooth)


def log_likelihoods(
    folder: RunFolder, axis: str = "updates", smooth: int = 1, column: str = LOG_LIKELIHOOD
) -> Curve:
    """Reads the mean log-likelihoods that a learner without actors has logged; see `evaluations`.

    Args:
        folder: the run's folder.
        axis: see `read_curve`.
        smooth: see `evaluations`.
        column: the metric, of these demonstrations or of those.

    Raises:
        RunError: the run has none, or the file is damaged.
    """
    curve = read_curve(folder, Role.LEARNER, axis, column)
    if not len(curve.x):
        raise RunError(f"The run {folder.root} has no log-likelihoods to draw.")
    return _smoothed(curve, smooth)


def _smoothed(curve: Curve, width: int) -> Curve:
    """A centred moving average of so many values; 1 changes nothing."""
    import pandas as pd

    if width <= 1:
        return curve
    means = pd.Series(curve.y).rolling(width, center=True, min_periods=1).mean()
    return Curve(curve.x, means.to_numpy())


def evaluations_table(folder: RunFolder) -> pd.DataFrame:
    """Lists the evaluations of a run; of several after the same number of actions, only the last.

    Args:
        folder: the run's folder.

    Returns:
        The columns actor_steps, learner_steps, hours (see `hours`) and return, the mean over an
        evaluation's episodes.

    Raises:
        RunError: the run has no evaluations, or the file is damaged.
    """
    table = _read(folder, Role.EVALUATOR, [*_COLUMNS.values(), EPISODE_RETURN])
    table = None if table is None else table.dropna()
    if table is None or table.empty:
        raise RunError(f"The run {folder.root} has no evaluations.")
    table = table.sort_values(WALL_TIME, kind="stable").drop_duplicates(ACTOR_STEPS, keep="last")
    counted = {name: table[name].astype(int) for name in (ACTOR_STEPS, LEARNER_STEPS)}
    elapsed = hours(folder, table[WALL_TIME].to_numpy())
    return table.assign(**counted, hours=elapsed)[[*counted, "hours", EPISODE_RETURN]].rename(
        columns={EPISODE_RETURN: "return"}
    )


def on_one_grid(curves: Sequence[Curve]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Interpolates curves linearly on one grid: the union of their x.

    The grid starts where the last curve starts, unless another curve ends before that.

    Returns:
        The grid, float64 [T], and the values, float64 [number of curves, T], NaN before a curve's
        first x and after its last.
    """
    grid = np.unique(np.concatenate([curve.x for curve in curves]))
    last_start = max(curve.x[0] for curve in curves)
    if last_start <= min(curve.x[-1] for curve in curves):
        grid = grid[grid >= last_start]
    values = [np.interp(grid, curve.x, curve.y, left=np.nan, right=np.nan) for curve in curves]
    return grid, np.stack(values)


def hours(folder: RunFolder, wall_time: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Converts times to hours of training: the time between a stop and a resume does not count.

    Args:
        folder: the run's folder.
        wall_time: float64 [T], in seconds since 1970.

    Returns:
        float64 [T].

    Raises:
        RunError: a file is damaged.
    """
    starts = np.array(_start_times(folder))
    tables = [_read(folder, role) for role in METRIC_ROLES]
    written = [table[WALL_TIME] for table in tables if table is not None]
    times = np.sort(np.concatenate(written))
    # A part of the run ends with the last row that was logged before the next part's start.
    last = np.searchsorted(times, starts[1:]) - 1
    ends = np.where(last >= 0, times[last], starts[:-1])
    durations = np.maximum(ends - starts[:-1], 0)
    before = np.concatenate([[0.0], np.cumsum(durations)])
    part = np.maximum(np.searchsorted(starts, wall_time, side="right") - 1, 0)
    seconds: npt.NDArray[np.float64] = before[part] + np.maximum(wall_time - starts[part], 0)
    return seconds / 3600


def _start_times(folder: RunFolder) -> list[float]:
    """When the run was started and each time it was resumed, in seconds since 1970."""
    with saved_json.parsing_file(folder.experiment):
        described = read_json(folder.experiment)
        parts = [described, *described.get("resumed", [])]
        return [datetime.datetime.fromisoformat(part["time"]).timestamp() for part in parts]


def _read(
    folder: RunFolder, role: str, columns: Sequence[str] = (WALL_TIME,)
) -> pd.DataFrame | None:
    """Reads columns of one role's metrics as float64; None if it has logged none."""
    path = folder.metrics(role)
    table = read_table(path)
    try:
        return None if table is None else table[list(columns)].astype(float)
    except (ValueError, KeyError) as error:
        raise RunError(f"{path} is damaged ({error}).") from error


def read_table(path: Path) -> pd.DataFrame | None:
    """Reads a metrics file, or returns None if it does not exist.

    A last line without its line break is left out: the run may be writing it.

    Raises:
        RunError: the file is damaged.
    """
    import pandas as pd

    if not path.is_file():
        return None
    try:
        text = path.read_text(encoding="utf-8")
        return pd.read_csv(io.StringIO(text[: text.rfind("\n") + 1]))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is damaged ({error}).") from error
