"""A short run of the real thing: processes, replay server, checkpoints and a stop in order."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from quinoa.agents.config import OffPolicyConfig, OnPolicyConfig
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.checks import run_process
from quinoa.launch.checks.base import Check, require
from quinoa.launch.checks.run_process import RunSubject
from quinoa.launch.run import result as run_result
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

# Transitions before the first gradient step, at most: a short run is to come to it soon.
_MIN_REPLAY_SIZE = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShortRun(RunSubject):
    """What is run, of an agent that acts in an environment.

    Attributes:
        config: its settings, with those of `settings` in place of others.
        environment: the environment's name.
        action_repeat: environment steps that each action lasts.
    """

    config: LearnerConfig
    environment: str
    action_repeat: int = 1


def runs(subject: ShortRun) -> str:
    """It acts, learns, stays finite, starts nothing again, and stops when it is told to."""
    with run_process.kept_if_it_fails() as parent:
        folder = RunFolder(parent / "run")
        with run_process.started(subject, _flags(subject), folder) as process:
            process.wait(run_process.START_S, lambda: process.counts.learner_steps > 0)
            require(
                not process.is_running or process.counts.learner_steps > 0,
                f"{run_process.START_S:.0f} s from the start there was no gradient step, after "
                f"{process.counts.actor_steps} actor steps: make the environment, or the graph of "
                "a gradient step, smaller (or wait until this machine has less to do)",
            )
            process.wait(subject.seconds)
            require(
                process.is_running,
                f"the run ended by itself, with status {process.status}: {process.last_line}",
            )
            process.stop()
            return _look_at(folder, subject, process.counts)


def _look_at(folder: RunFolder, subject: ShortRun, counts: Counts) -> str:
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
    steps = counts.learner_steps
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
        _require_fresh(subject.config, actors, counts)
    returns = actors[EPISODE_RETURN].dropna()
    of_last = f", last returns near {returns.iloc[-5:].mean():.0f}" if len(returns) else ""
    return f"{steps} gradient steps, {counts.actor_steps} actor steps{of_last}"


def _require_fresh(config: OnPolicyConfig, actors: pd.DataFrame, counts: Counts) -> None:
    """Checks that each step was learned from once at most, and acted with fresh parameters."""
    oldest = int(actors[PARAMETER_AGE].max())
    require(
        oldest <= 1,
        f"actors acted with parameters that were {oldest} gradient steps old: an on-policy source "
        "has them wait for those that are learned with",
    )
    learned = counts.learner_steps * config.batch_size
    acted = counts.actor_steps
    require(
        learned <= acted,
        f"{learned} transitions were learned from and {acted} acted: an on-policy source gives out "
        "each once",
    )


def _flags(subject: ShortRun) -> list[str]:
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
    return [
        f"--env={subject.environment}",
        f"--action_repeat={subject.action_repeat}",
        f"--steps={run_process.STEPS}",
        *actors,
        *(f"--set={text}" for text in settings),
    ]


CHECK: Check[ShortRun] = Check("a short run learns, and stops in order", runs)
