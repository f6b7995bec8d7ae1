"""Bringing a run that has ended, in whatever way, to where it can go on."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
from collections.abc import Iterator, Mapping
from typing import Any

from launch import checkpoints, metrics
from launch.errors import ExperimentError
from launch.experiment import Experiment
from launch.run_folder import RunFolder

# The roles that keep metrics.
_ROLES = ("actor", "learner", "evaluator")


@contextlib.contextmanager
def held(folder: RunFolder) -> Iterator[None]:
    """Keeps others from running in a run's folder at the same time.

    The kernel lets go of it when this process is gone, however it went.

    Raises:
        ExperimentError: another process runs in it.
    """
    descriptor = os.open(folder.root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ExperimentError(
                f"{folder.root} is in use by a run that goes on: stop that first."
            ) from error
        yield
    finally:
        os.close(descriptor)


def set_damaged_aside(folder: RunFolder) -> list[str]:
    """Sets aside the checkpoints that are newer than the newest whole one.

    Returns:
        A line on each.
    """
    lines = []
    for checkpoint in reversed(checkpoints.all_of(folder.checkpoints)):
        try:
            checkpoint.verify()
        except checkpoints.DamagedError as error:
            lines.append(f"{error.what}; it is kept as {checkpoint.set_aside()}.")
        else:
            break
    return lines


def rewind(folder: RunFolder, actor_steps: int) -> None:
    """Takes out of a run's files what came after a checkpoint, since it comes again.

    Args:
        folder: of the run.
        actor_steps: at the checkpoint; 0 is the run's beginning.
    """
    for role in _ROLES:
        metrics.truncate(folder.metrics(role), actor_steps or -1)
    folder.result.unlink(missing_ok=True)
    folder.counter.unlink(missing_ok=True)


def changes(saved: Experiment, wanted: Experiment) -> dict[str, str]:
    """What two experiments with the same agent differ in.

    Returns:
        By the name of the field (of the agent's configuration, where it is that), the old value
        and the new one as text.
    """
    old, new = _fields(saved), _fields(wanted)
    return {name: f"{old[name]!r} → {new[name]!r}" for name in old if old[name] != new[name]}


def _fields(experiment: Experiment) -> Mapping[str, Any]:
    own = {field.name: getattr(experiment, field.name) for field in dataclasses.fields(experiment)}
    # In the agent's configuration as the experiment has it.
    del own["agent_config"], own["samples_per_insert"]
    return {**own, **dataclasses.asdict(experiment.config)}
