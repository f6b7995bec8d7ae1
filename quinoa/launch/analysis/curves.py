"""Learning curves of runs, as numbers."""

from __future__ import annotations

import datetime
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from quinoa.launch.errors import RunError
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json

if TYPE_CHECKING:
    import pandas as pd

# What a curve may be drawn over, and the name of that axis.
AXES: Mapping[str, str] = {
    "steps": "actor steps (actions)",
    "updates": "gradient steps",
    "hours": "hours of training",
}
_COLUMNS = {"steps": "actor_steps", "updates": "learner_steps", "hours": "wall_time"}

# The roles that keep metrics.
_ROLES = ("actor", "learner", "evaluator")


class Curve(NamedTuple):
    """Returns of one run, in order.

    Attributes:
        x: float64 [T], never falling, in the unit of the axis.
        y: float64 [T], returns of an episode.
    """

    x: np.ndarray
    y: np.ndarray


def read_curve(folder: RunFolder, role: str, axis: str = "steps") -> Curve:
    """The returns of one role, in order; T is 0 where there are none.

    Args:
        folder: of the run, which may be under way.
        role: actor or evaluator.
        axis: a key of `AXES`. Hours are those since the run began, without the time between the end
            of a run and its going on.

    Raises:
        RunError: a file is damaged.
    """
    column = _COLUMNS[axis]
    table = _read(folder, role, [column, "episode_return"])
    if table is None:
        return Curve(np.empty(0), np.empty(0))
    table = table.dropna().sort_values(column, kind="stable")
    x, y = table[column].to_numpy(), table["episode_return"].to_numpy()
    return Curve(hours(folder, x) if axis == "hours" else x, y)


def evaluations(folder: RunFolder, axis: str = "steps", smooth: int = 1) -> Curve:
    """The evaluations of a run, at least one; where two are at the same place, the later one.

    Args:
        folder: of the run.
        axis: see `read_curve`.
        smooth: evaluations that each value is the mean of, around its own place; 1 leaves them.

    Raises:
        RunError: there are none, or the file is damaged.
    """
    import pandas as pd

    curve = read_curve(folder, "evaluator", axis)
    if not len(curve.x):
        raise RunError(f"The run {folder.root} has no evaluations to draw.")
    is_last = np.append(np.diff(curve.x) > 0, True)
    x, y = curve.x[is_last], curve.y[is_last]
    if smooth > 1:
        y = pd.Series(y).rolling(smooth, center=True, min_periods=1).mean().to_numpy()
    return Curve(x, y)


def on_one_grid(curves: Sequence[Curve]) -> tuple[np.ndarray, np.ndarray]:
    """Brings curves to the same places: all those that any of them has, between lines.

    It begins where all of them have begun, if there is such a place before one ends.

    Returns:
        The places, float64 [T], and the values, float64 [number of curves, T], NaN where a curve
        has ended or not begun.
    """
    grid = np.unique(np.concatenate([curve.x for curve in curves]))
    begun = max(curve.x[0] for curve in curves)
    if begun <= min(curve.x[-1] for curve in curves):
        grid = grid[grid >= begun]
    values = [np.interp(grid, curve.x, curve.y, left=np.nan, right=np.nan) for curve in curves]
    return grid, np.stack(values)


def hours(folder: RunFolder, wall_time: np.ndarray) -> np.ndarray:
    """The hours for which a run had run at these times, float64 [T] both.

    Raises:
        RunError: a file is damaged.
    """
    begun = np.array(_beginnings(folder))
    written = [table["wall_time"] for role in _ROLES if (table := _read(folder, role)) is not None]
    times = np.sort(np.concatenate(written))
    # The last thing that was written before each going on is as far as that part went.
    last = np.searchsorted(times, begun[1:]) - 1
    ends = np.where(last >= 0, times[last], begun[:-1])
    lasted = np.maximum(ends - begun[:-1], 0)
    before = np.concatenate([[0.0], np.cumsum(lasted)])
    part = np.maximum(np.searchsorted(begun, wall_time, side="right") - 1, 0)
    seconds: np.ndarray = before[part] + np.maximum(wall_time - begun[part], 0)
    return seconds / 3600


def _beginnings(folder: RunFolder) -> list[float]:
    """When a run began, and when it went on, in seconds since 1970."""
    path = folder.experiment
    try:
        described = read_json(path)
        parts = [described, *described.get("resumed", [])]
        return [datetime.datetime.fromisoformat(part["time"]).timestamp() for part in parts]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{path} is damaged, or of another version ({type(error).__name__}: {error})."
        ) from error


def _read(
    folder: RunFolder, role: str, columns: Sequence[str] = ("wall_time",)
) -> pd.DataFrame | None:
    """Columns of one role's metrics as float64, without a line that is yet to be ended."""
    path = folder.metrics(role)
    table = read_table(path)
    try:
        return None if table is None else table[list(columns)].astype(float)
    except (ValueError, KeyError) as error:
        raise RunError(f"{path} is damaged ({error}).") from error


def read_table(path: Path) -> pd.DataFrame | None:
    """A file of metrics, without a line that is yet to be ended; None where there is none.

    Raises:
        RunError: it is damaged.
    """
    import pandas as pd

    if not path.is_file():
        return None
    try:
        text = path.read_text(encoding="utf-8")
        return pd.read_csv(io.StringIO(text[: text.rfind("\n") + 1]))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is damaged ({error}).") from error
