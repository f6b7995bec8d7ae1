"""Which runs a comparison draws, and as which lines and subplots."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from quinoa.launch.analysis import measures, plots, run_groups
from quinoa.launch.analysis.measures import Measure
from quinoa.launch.analysis.run_groups import ConfiguredRun, Groups
from quinoa.launch.errors import RunError
from quinoa.launch.terminal.numbers import count
from quinoa.launch.terminal.output import say

# How many runs a note names.
_NAMED = 3


def groups_of(paths: Sequence[str | os.PathLike[str]], by: Sequence[str] | None = None) -> Groups:
    """Finds the runs to compare, by environment and label.

    Args:
        paths: see `run_groups.find`.
        by: see `run_groups.group`.

    Raises:
        RunError: there are none, one is damaged, or they make more lines than there are distinct
            colours and dashes.
    """
    groups = run_groups.group(_with_evaluations(run_groups.find(paths)), by)
    most = max(len({label for labels in groups.values() for label in labels}), 1)
    if most > plots.MAX_LINES:
        raise RunError(
            f"{most} lines are more than can be told apart ({plots.MAX_LINES}): choose what "
            "makes another line by --by=..., or give fewer runs."
        )
    return groups


def panels_of(
    groups: Groups, measure: Measure, axis: str | None = None, smooth: int = 1
) -> list[plots.Panel]:
    """Makes one subplot per environment, with the evaluations of each label's runs.

    Args:
        groups: the runs.
        measure: what of them is drawn, as `measure_of` says.
        axis: a key of `curves.AXES`; None for the measure's.
        smooth: see `curves.evaluations`.

    Raises:
        RunError: a run has no evaluations, or is damaged.
    """
    return [
        plots.Panel(
            environment,
            {
                label: [measure.curve(run, axis, smooth) for run in runs]
                for label, runs in labels.items()
            },
        )
        for environment, labels in groups.items()
    ]


def measure_of(groups: Groups) -> Measure:
    """What these runs are compared by; errors as those of `measures.of`."""
    return measures.of(
        run for labels in groups.values() for runs in labels.values() for run in runs
    )


def _with_evaluations(runs: Sequence[ConfiguredRun]) -> Sequence[ConfiguredRun]:
    """Leaves out runs without an evaluation, with a note.

    If no run has one, all are returned: reading their curves raises the error that says so.
    """
    usable = [run for run in runs if measures.has_measured(run)]
    if not usable:
        return runs
    if without := [str(run.folder.root) for run in runs if run not in usable]:
        more = f", and {len(without) - _NAMED} more" if len(without) > _NAMED else ""
        say(
            f"quinoa: note: {count(len(without), 'run')} without evaluations left out: "
            f"{', '.join(without[:_NAMED])}{more}.",
            sys.stderr,
        )
    return usable
