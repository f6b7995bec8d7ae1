"""A short run of the real thing: processes, replay server, checkpoints and a stop in order."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from quinoa.agents.config import OffPolicyConfig, OnPolicyConfig
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.checks.base import Check, CheckError, require
from quinoa.launch.machine import interpreter
from quinoa.launch.run import result as run_result
from quinoa.launch.run import status
from quinoa.launch.run.columns import (
    EPISODE_RETURN,
    PARAMETER_AGE,
    REPLAY_SIZE,
    SKIPPED_STEPS,
)
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd

    from quinoa.agents.config import LearnerConfig

# Seconds from the start to the first gradient step, at most, and from the signal to the end.
_START_S, _STOP_S = 240.0, 60.0
_LOOK_S = 0.1
# Transitions before the first gradient step, at most: a short run is to come to it soon.
_MIN_REPLAY_SIZE = 1000
# More than it can do.
_STEPS = 10**9


@dataclasses.dataclass(frozen=True)
class ShortRun:
    """What is run.

    Attributes:
        agent: its name.
        config: its settings.
        environment: the environment's name.
        seconds: how long, from the first gradient step.
        inherited: the environment variables that the run is started with.
        settings: of the agent, `NAME=VALUE` each, that `config` has in place of others.
        action_repeat: environment steps that each action lasts.
        seed: of everything random.
        folder: that the run starts in.
    """

    agent: str
    config: LearnerConfig
    environment: str
    seconds: float
    inherited: Mapping[str, str]
    settings: Sequence[str] = ()
    action_repeat: int = 1
    seed: int = 0
    folder: Path = dataclasses.field(default_factory=Path.cwd)


def runs(subject: ShortRun) -> str:
    """It acts, learns, stays finite, starts nothing again, and stops when it is told to."""
    parent = Path(tempfile.mkdtemp(prefix="quinoa-check-"))
    folder = RunFolder(parent / "run")
    try:
        remark = _run(subject, folder)
    except CheckError as error:
        raise CheckError(f"{error} (the run is kept in {folder.root})") from error
    except BaseException:
        shutil.rmtree(parent, ignore_errors=True)
        raise
    shutil.rmtree(parent, ignore_errors=True)
    return remark


def _run(subject: ShortRun, folder: RunFolder) -> str:
    output = folder.root.parent / "output.txt"
    with output.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            _command(subject, folder),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for this process, which ends the run in any case.
            start_new_session=True,
            env=dict(subject.inherited),
            cwd=subject.folder,
        )
        try:
            _wait(process, _START_S, lambda: _counts(folder).learner_steps > 0)
            has_learned = _counts(folder).learner_steps > 0
            if has_learned:
                _wait(process, subject.seconds)
            ended_early = process.poll() is not None
            if not ended_early:
                process.send_signal(signal.SIGTERM)
            _wait(process, _STOP_S)
            has_stopped = process.poll() is not None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    last = _last_line(output)
    require(not ended_early, f"the run ended by itself, with status {process.returncode}: {last}")
    require(
        has_learned,
        f"{_START_S:.0f} s from the start there was no gradient step, after "
        f"{_counts(folder).actor_steps} actor steps: make the environment, or the graph of a "
        "gradient step, smaller (or wait until this machine has less to do)",
    )
    require(has_stopped, f"the run did not stop within {_STOP_S:.0f} s of SIGTERM")
    require(
        process.returncode == 0,
        f"the run ended with status {process.returncode} when it was told to stop: {last}",
    )
    return _look_at(folder, subject)


def _look_at(folder: RunFolder, subject: ShortRun) -> str:
    """Looks at what a run that has stopped has left."""
    import pandas as pd

    result = run_result.read(folder.result)
    # A run that ends with status 0 has said how.
    assert result is not None
    failed = ", ".join(result.restarts)
    require(
        not failed,
        f"processes failed and were started again ({failed}): the files in {folder.logs} say why",
    )
    steps = _counts(folder).learner_steps
    table = folder.metrics(Role.LEARNER)
    require(
        table.is_file(),
        f"{subject.seconds:g} s were too few for the learner's first metrics: give more",
    )
    rows = pd.read_csv(table).drop(columns=REPLAY_SIZE)
    # A metric that is not finite is an empty cell.
    empty = rows.columns[rows.isna().any()]
    require(
        not len(empty),
        f"the learner's metrics {', '.join(empty)} were not finite at times: bound what grows (a "
        "logarithm, a ratio, an exponential), or lower the learning rate",
    )
    skipped = int(rows[SKIPPED_STEPS].sum())
    require(
        not skipped,
        f"{skipped} of {steps} gradient steps had a loss or a gradient that was not finite: bound "
        "what grows, or lower the learning rate",
    )
    newest, damaged = learner_checkpoints.newest_whole(folder.checkpoints)
    require(newest is not None and not damaged, "the run left no whole checkpoint")
    actors = pd.read_csv(folder.metrics(Role.ACTOR))
    if isinstance(subject.config, OnPolicyConfig):
        _require_fresh(subject.config, actors, folder)
    returns = actors[EPISODE_RETURN].dropna()
    of_last = f", last returns near {returns.iloc[-5:].mean():.0f}" if len(returns) else ""
    return f"{steps} gradient steps, {_counts(folder).actor_steps} actor steps{of_last}"


def _require_fresh(config: OnPolicyConfig, actors: pd.DataFrame, folder: RunFolder) -> None:
    """Checks that each step was learned from once at most, and acted with fresh parameters."""
    oldest = int(actors[PARAMETER_AGE].max())
    require(
        oldest <= 1,
        f"actors acted with parameters that were {oldest} gradient steps old: an on-policy source "
        "has them wait for those that are learned with",
    )
    learned = _counts(folder).learner_steps * config.batch_size
    acted = _counts(folder).actor_steps
    require(
        learned <= acted,
        f"{learned} transitions were learned from and {acted} acted: an on-policy source gives out "
        "each once",
    )


def _wait(
    process: subprocess.Popen[bytes], seconds: float, condition: Callable[[], bool] = lambda: False
) -> None:
    """Waits for a process to end or a condition to hold, at most so long."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and not condition() and time.monotonic() < deadline:
        time.sleep(_LOOK_S)


def _counts(folder: RunFolder) -> Counts:
    """What a run has counted so far; zeros before it has begun."""
    found = status.read(folder.status)
    return Counts() if found is None else found.counts


def _last_line(path: Path) -> str:
    """The last thing that a run has said, without its progress bar."""
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = [line.rpartition("\r")[2].strip() for line in text.splitlines()]
    said = [line for line in lines if line]
    return said[-1] if said else "it said nothing"


def _command(subject: ShortRun, folder: RunFolder) -> list[str]:
    # The last setting of a name counts.
    settings = list(subject.settings)
    if isinstance(subject.config, OffPolicyConfig):
        least = min(subject.config.min_replay_size, _MIN_REPLAY_SIZE)
        settings = [text for text in settings if not text.startswith("min_replay_size=")]
        settings.append(f"min_replay_size={least}")
    actors = ["--num_actors=2", "--environments_per_actor=2", "--steps_per_call=10"]
    if isinstance(subject.config, OnPolicyConfig):
        # As many environments as a batch has segments of, in two actors if that is even.
        segments = subject.config.batch_size // subject.config.segment_length
        actors = [f"--num_actors={2 if segments % 2 == 0 else 1}"]
    return interpreter.command(
        "quinoa.launch.cli",
        "train",
        f"--agent={subject.agent}",
        f"--env={subject.environment}",
        f"--action_repeat={subject.action_repeat}",
        f"--folder={folder.root}",
        f"--steps={_STEPS}",
        *actors,
        f"--seed={subject.seed}",
        *(f"--set={text}" for text in settings),
    )


CHECK: Check[ShortRun] = Check("a short run learns, and stops in order", runs)
