"""Prepares the folder of a run that has ended, in whatever way, for resuming it."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from quinoa.config.fields import fields_of
from quinoa.launch.checkpoints.checkpoint_folder import DamagedError
from quinoa.launch.experiment import Experiment
from quinoa.launch.metrics import metrics_log
from quinoa.launch.run.budget import Budget
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.roles import METRIC_ROLES
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage import lock


@contextlib.contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Keeps others from running in a run's folder at the same time.

    The kernel releases the lock when this process ends, however it ends.

    Raises:
        ExperimentError: another process runs in it.
    """
    in_use = f"{folder.root} is in use by a run that is still running: stop that first."
    with lock.locked(folder.root, in_use):
        yield


def make_ready(
    folder: RunFolder,
    budget: Budget,
    counts: Counts,
    damaged: Sequence[DamagedError],
    *,
    keep_replay: bool,
) -> list[str]:
    """Sets damaged checkpoints aside, and takes out of the files what came after the whole one.

    Of a run that has done its steps, and is only to be concluded, replay and the status stay.

    Args:
        folder: of the run.
        budget: of the run, whose unit its metrics are counted in.
        counts: of the run at the whole checkpoint; zeros where there is none.
        damaged: those newer than that one.
        keep_replay: resume with the saved contents of replay, where there are any.

    Returns:
        A line on each that was set aside.
    """
    lines = [f"{of.what}; it is kept as {of.checkpoint.set_aside()}." for of in damaged]
    for path in (*map(folder.metrics, METRIC_ROLES), folder.evaluations):
        # Rows of no step at all are of a run that has not begun.
        steps = budget.done(counts) if counts else -1
        metrics_log.truncate(path, steps, budget.unit)
    is_done = budget.is_spent(counts)
    if not (keep_replay or is_done):
        # A replay server loads what it finds when it starts.
        shutil.rmtree(folder.replay, ignore_errors=True)
    for path in (folder.result, folder.counter, folder.processes):
        path.unlink(missing_ok=True)
    if not is_done:
        folder.status.unlink(missing_ok=True)
    return lines


def changes(saved: Experiment, wanted: Experiment) -> dict[str, str]:
    """What two experiments with the same agent differ in.

    Returns:
        By the name of the field (of the agent's configuration, where it is that), the old value
        and the new one as text.
    """
    old, new = _fields(saved), _fields(wanted)
    return {name: f"{old[name]!r} → {new[name]!r}" for name in old if old[name] != new[name]}


def _fields(experiment: Experiment) -> Mapping[str, Any]:
    own = {
        name: getattr(experiment, name)
        for name, field in fields_of(Experiment).items()
        if field.flag_name and name != "agent_config"
    }
    # What both have is in the agent's configuration as the experiment has it.
    return {**own, **dataclasses.asdict(experiment.config)}
