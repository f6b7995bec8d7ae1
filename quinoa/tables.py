"""The tables of what a run has measured: `Run.metrics`, `Run.curve` and `Run.evaluations`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from quinoa.launch.errors import RunError
from quinoa.launch.run import columns
from quinoa.launch.run.counts import ACTOR_STEPS, EPISODES, LEARNER_STEPS
from quinoa.launch.run.roles import METRIC_ROLES, Role
from quinoa.launch.run.run_folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd


def metrics(folder: RunFolder, role: str) -> pd.DataFrame:
    """All that one role has measured, a row a report.

    Args:
        folder: of the run.
        role: one of `METRIC_ROLES`.

    Raises:
        ValueError: it is another role.
        RunError: there is nothing yet, or the file is damaged.
    """
    if role not in METRIC_ROLES:
        raise ValueError(f"role = {role!r} cannot work: it must be actor, learner or evaluator.")
    return _read(folder.metrics(role), f"The {role} has reported nothing yet")


def curve(folder: RunFolder, role: str) -> pd.DataFrame:
    """The learning curve by one role: the columns are those of `Run.curve`.

    Args:
        folder: of the run.
        role: `evaluator` or `actor`.

    Raises:
        RunError: there is nothing yet, or the file is damaged.
    """
    from quinoa.launch.analysis import curves

    table = metrics(folder, role).dropna(subset=[columns.EPISODE_RETURN])
    table.insert(2, "hours", curves.hours(folder, table[columns.WALL_TIME].to_numpy()))
    wanted = [ACTOR_STEPS, LEARNER_STEPS, "hours", columns.EPISODE_RETURN]
    if role == Role.EVALUATOR:
        wanted += [columns.EPISODE_RETURN_STD, columns.EPISODE_LENGTH, EPISODES]
    return table[wanted].reset_index(drop=True)


def evaluations(folder: RunFolder) -> pd.DataFrame:
    """Every episode of every evaluation.

    Args:
        folder: of the run.

    Raises:
        RunError: there is nothing yet, or the file is damaged.
    """
    return _read(folder.evaluations, "Nothing has been evaluated yet")


def _read(path: Path, nothing: str) -> pd.DataFrame:
    from quinoa.launch.analysis import curves

    table = curves.read_table(path)
    if table is None or not len(table):
        raise RunError(f"{nothing}: {path} has no rows.")
    return table
