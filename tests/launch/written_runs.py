"""Folders as runs leave them, written without running anything."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quinoa.launch.metrics.metrics_log import MetricsLog
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import write_json

# When a written run began, in seconds since 1970.
BEGAN = 1_700_000_000


def time_text(seconds: float) -> str:
    """A time as experiments note it, by the seconds since a written run began."""
    moment = datetime.datetime.fromtimestamp(BEGAN + seconds, datetime.timezone.utc)
    return moment.isoformat(timespec="seconds")


def write_run(
    root: Path,
    returns: Sequence[float | None] = (1.0, 2.0, 3.0),
    *,
    period: int = 10,
    seconds: Sequence[float] | None = None,
    resumed: Sequence[float] = (),
    config: dict[str, Any] | None = None,
    **fields: Any,
) -> RunFolder:
    """Writes a run with an evaluation, and a row of the actors, each `period` steps.

    Args:
        root: its folder.
        returns: of the rows.
        period: actor steps from one row to the next; there is a gradient step in two.
        seconds: of the rows, since the run began; by default 36 from one to the next.
        resumed: when the run went on, likewise.
        config: fields of the agent's config.
        **fields: of the experiment.
    """
    folder = RunFolder(root)
    log = MetricsLog(folder)
    times = [36.0 * i for i in range(len(returns))] if seconds is None else seconds
    for role in ("actor", "evaluator"):
        for i, (second, value) in enumerate(zip(times, returns, strict=True)):
            steps = period * i
            row = {"wall_time": BEGAN + second, "actor_steps": steps, "learner_steps": steps // 2}
            log.write(role, {**row, "episode_return": value})
    log.close()
    _describe(folder, config, fields, resumed)
    return folder


def write_learned(
    root: Path,
    log_likelihoods: Sequence[float],
    held_out: Sequence[float | None] | None = None,
    *,
    config: dict[str, Any] | None = None,
    **fields: Any,
) -> RunFolder:
    """Writes a run that learned from demonstrations alone, with a row for each gradient step.

    Args:
        root: its folder.
        log_likelihoods: of the demonstrations learned from.
        held_out: of the others; None where nothing is held out.
        config: fields of the agent's config.
        **fields: of the experiment.
    """
    folder = RunFolder(root)
    log = MetricsLog(folder, unit="learner_steps")
    for i, value in enumerate(log_likelihoods):
        row = {"wall_time": BEGAN + 36.0 * i, "actor_steps": 0, "learner_steps": i + 1}
        more = {} if held_out is None else {"held_out_log_likelihood": held_out[i]}
        log.write("learner", {**row, "log_likelihood": value, **more})
    log.close()
    of = {"agent": "learns_alone", "environment": "", "demonstrations": "roads:3x3", **fields}
    _describe(folder, config, of)
    return folder


def _describe(
    folder: RunFolder,
    config: dict[str, Any] | None,
    fields: dict[str, Any],
    resumed: Sequence[float] = (),
) -> None:
    experiment = {
        "agent": "some_agent",
        "agent_config": {"tau": 0.01, "samples_per_insert": 128.0, **(config or {})},
        "environment": "control:some:task",
        "action_repeat": 1,
        "samples_per_insert": None,
        "seed": 0,
        **fields,
    }
    parts = [{"actor_steps": 0, "time": time_text(second)} for second in resumed]
    folder.root.mkdir(exist_ok=True, parents=True)
    described = {"experiment": experiment, "time": time_text(0), "resumed": parts}
    write_json(folder.experiment, described)
