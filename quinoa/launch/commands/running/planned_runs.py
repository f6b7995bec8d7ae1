"""Planned runs of a sweep: checked before any starts, sized for this machine, and run."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from absl import flags

from quinoa.launch.commands.base import FAILED, OK, UsageError, complain
from quinoa.launch.commands.options import train_flags
from quinoa.launch.commands.running.new_experiment import check_environment, make_experiment
from quinoa.launch.engines.base import ProcessContext
from quinoa.launch.experiment import Experiment
from quinoa.launch.machine.start_folder import StartFolder
from quinoa.launch.storage import lock
from quinoa.launch.terminal.numbers import count
from quinoa.launch.terminal.output import command, say

if TYPE_CHECKING:
    from pathlib import Path

    from quinoa.launch.machine.sizing import Needs
    from quinoa.launch.sweep.sweep_folder import PlannedRun, SweepFolder

_THREADS = "--learner_threads="


def experiment_of(run: PlannedRun, inherited: Mapping[str, str]) -> tuple[Experiment, str]:
    """The experiment of a run and the name of its engine.

    Args:
        run: the run.
        inherited: the environment variables for the run's processes.

    Raises:
        ExperimentError: the experiment cannot be run.
        UsageError: a flag cannot be understood.
    """
    values = _parsed(run)
    return make_experiment(values, inherited), values.engine


def _parsed(run: PlannedRun) -> flags.FlagValues:
    values = train_flags.define()
    try:
        values(["quinoa train", *run.arguments])
    except flags.Error as error:
        raise UsageError(str(error)) from None
    return values


def check(planned: Sequence[PlannedRun], inherited: Mapping[str, str]) -> list[Needs]:
    """Checks the runs and returns their needs; those that differ only in their seed count once.

    Args:
        planned: the runs.
        inherited: the environment variables for the runs' processes.

    Raises:
        ExperimentError: one cannot be run.
        UsageError: a flag cannot be understood.
    """
    from quinoa.launch import engines
    from quinoa.launch.commands.running.one_run import engine_settings
    from quinoa.launch.experiment.validation import validate
    from quinoa.launch.machine import sizing
    from quinoa.launch.watch import wandb_mirror

    needs: dict[str, Needs] = {}
    experiments = []
    parsed = [_parsed(run) for run in planned]
    # The checks that need no TensorFlow come first.
    for values in parsed:
        settings = engine_settings(values)[values.engine]
        experiment = make_experiment(values, inherited)
        check_environment(experiment)
        experiments.append((experiment, values.engine, settings))
    if any(values.wandb is not None for values in parsed):
        wandb_mirror.check()
    for experiment, engine_name, settings in experiments:
        alike = repr((dataclasses.replace(experiment, seed=0), engine_name, settings))
        if alike in needs:
            continue
        engine = engines.make(engine_name, ProcessContext(inherited), settings)
        engine.check(experiment)
        experiment = validate(experiment)
        transition_bytes = 0.0
        if experiment.config.has_actors:
            source = experiment.make_source()
            transition_bytes = source.item_bytes / source.segment_length
        needs[alike] = sizing.needs(
            experiment, transition_bytes, is_one_process=engine.is_one_process
        )
    return list(needs.values())


def sized(
    planned: Sequence[PlannedRun], at_once: int | None, needs: Sequence[Needs]
) -> tuple[int, list[PlannedRun]]:
    """How many runs run at a time, and the runs with their share of the cores as threads.

    Args:
        planned: the runs; where their flags say how many threads a learner has, that stays.
        at_once: how many are to run at a time; None chooses by cores and memory.
        needs: what `check` returned.
    """
    from quinoa.launch.machine import sizing

    cores = sizing.usable_cores()
    at_once = at_once or sizing.runs_at_once(needs, cores=cores, memory=sizing.usable_memory())
    at_once = min(at_once, len(planned))
    if any(text.startswith(_THREADS) for run in planned for text in run.arguments):
        return at_once, list(planned)
    threads = f"{_THREADS}{max(cores // at_once, 1)}"
    return at_once, [
        dataclasses.replace(run, arguments=(*run.arguments, threads)) for run in planned
    ]


def locked(sweep: SweepFolder) -> contextlib.AbstractContextManager[None]:
    """Locks a sweep's folder, so that one process at a time runs the sweep.

    Raises:
        ExperimentError: another process runs it.
    """
    in_use = f"{sweep.root} is in use by a sweep that is still running: stop that first."
    return lock.locked(sweep.root, in_use)


def run(
    sweep: SweepFolder,
    planned: Sequence[PlannedRun],
    at_once: int,
    inherited: Mapping[str, str],
    start: StartFolder,
    *,
    retry_failed: bool,
    folder: Path | None = None,
) -> bool:
    """Says what is run, and runs all runs that are not over; see `runner.run_all`.

    They start in `folder`, or in that of the command where there is no such folder.

    Returns:
        Whether it was stopped.
    """
    from quinoa.launch.sweep.runner import run_all

    say(f"{count(len(planned), 'run')}, {at_once} at once, in {start.shown(sweep.root)}")
    return run_all(
        sweep,
        planned,
        at_once=at_once,
        environment=inherited,
        folder=folder if folder is not None and folder.is_dir() else start.path,
        retry_failed=retry_failed,
    )


def unfinished(sweep: SweepFolder, planned: Sequence[PlannedRun]) -> list[PlannedRun]:
    """The runs that have yet to be started or resumed; failed ones are not among them."""
    from quinoa.launch.sweep.sweep_folder import SweepRunState

    left = (SweepRunState.WAITING, SweepRunState.INTERRUPTED)
    return [run for run in planned if sweep.state(run) in left]


def say_ends(
    sweep: SweepFolder, planned: Sequence[PlannedRun], start: StartFolder, resume: Sequence[str]
) -> int:
    """Says which runs did not come to their end, and which failed; returns the exit status.

    Args:
        sweep: the sweep's folder.
        planned: its runs.
        start: the folder that the command was started in.
        resume: the words after `quinoa` that resume the sweep.
    """
    from quinoa.launch.sweep.sweep_folder import SweepRunState

    if left := unfinished(sweep, planned):
        whose = "its" if len(left) == 1 else "their"
        say(
            f"{len(left)} of {count(len(planned), 'run')} did not come to {whose} end. To resume: "
            f"{command(*resume)}"
        )
    failed = [run for run in planned if sweep.state(run) is SweepRunState.FAILED]
    reasons = sweep.failed()
    for run in failed:
        reason = reasons.get(run.name, "see its log")
        say(f"{run.name} failed: {reason}\n    {start.shown(sweep.log(run))}", sys.stderr)
    if failed:
        return complain(
            f"{len(failed)} of {count(len(planned), 'run')} failed. To try again: "
            f"{command(*resume, '--retry_failed')}",
            FAILED,
        )
    return OK
