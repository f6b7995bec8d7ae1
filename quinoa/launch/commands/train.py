"""Trains an agent."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from quinoa.launch.commands.base import FAILED, OK, Command, UsageError, complain, expect
from quinoa.launch.commands.options import train_flags
from quinoa.launch.engines import ENGINES
from quinoa.launch.machine import lean_imports, process_environment
from quinoa.launch.machine.start_folder import StartFolder
from quinoa.launch.run.result import Outcome
from quinoa.launch.terminal.numbers import described_metrics
from quinoa.launch.terminal.output import command, say

if TYPE_CHECKING:
    from quinoa.launch.run.result import RunResult
    from quinoa.launch.run.run_folder import RunFolder
    from quinoa.launch.train import Summary


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    expect(arguments, 0, "train takes flags only")
    start = StartFolder()
    if values.attach is not None:
        others = [name for name in values if values[name].present]
        if unknown := set(others) - {"attach", "ray_address"}:
            raise UsageError(
                "--attach shows a run as it is, and takes no other flag but --ray_address: leave "
                f"out --{sorted(unknown)[0]}."
            )
        return _run_detached(values, start, {})
    inherited = process_environment.set_for_this_process()
    lean_imports.install()
    if ENGINES[values.engine].is_detached:
        return _run_detached(values, start, inherited)
    from quinoa.launch.commands.running import one_run

    folder, summary = one_run.run(
        values,
        inherited,
        on_start=lambda folder, experiment: _announce(start.shown(folder.root), vars(experiment)),
    )
    return _conclude(start, folder, summary)


def _run_detached(
    values: flags.FlagValues, start: StartFolder, inherited: Mapping[str, str]
) -> int:
    """Starts a run in a cluster, or attaches to one, and shows it."""
    from quinoa.launch.commands.running import detached_run
    from quinoa.launch.engines.ray import connection
    from quinoa.launch.train import Summary

    with connection.connected(values.ray_address):
        if values.attach is not None:
            folder, server = detached_run.attach(values.attach, start)
        else:
            folder, server = detached_run.start(values, inherited)
        root = start.shown(folder.root)
        try:
            result, evaluation_error = detached_run.follow(
                server,
                folder,
                only_watches=values.attach is not None,
                on_start=lambda fields: _announce(root, fields),
            )
        except detached_run.LeftRunning:
            say(f"To come back to it: {command('train', f'--attach={root}')}")
            say(f"To stop it: {command('stop', str(root))}")
            return OK
    curve = folder.learning_curve if folder.learning_curve.is_file() else None
    return _conclude(start, folder, Summary(result, evaluation_error, curve))


def _announce(root: Path, experiment: Mapping[str, Any]) -> None:
    """Says what begins, given the fields of the experiment."""
    by = f" by the preset {experiment['preset']}" if experiment["preset"] else ""
    task = experiment["environment"] or experiment["demonstrations"]
    say(f"Training {experiment['agent']} on {task}{by} in {root}")
    if experiment["environment"]:
        say(f"With {_described_sizes(experiment)}.")
    say(f"To watch it from another terminal: {command('status', str(root))}")


def _conclude(start: StartFolder, folder: RunFolder, summary: Summary) -> int:
    """Says what came of a run; returns the exit status."""
    from quinoa.launch.train import describe

    root = start.shown(folder.root)
    result = summary.result
    if result.restarts:
        say(f"{_described_restarts(result)}; see {start.shown(folder.events)}.")
    if result.outcome is Outcome.FAILED:
        say(f"Run: {root}")
        what = result.failed_node or "the run"
        complain(f"{what} failed; see {start.shown(folder.logs)}.", FAILED)
        say(str(result.error), sys.stderr)
        return FAILED
    returns = result.final_returns
    if returns is not None:
        say(f"Return of the final policy: {describe(returns)} ({len(returns)} episodes)")
    elif result.final_metrics and result.outcome is not Outcome.KILLED:
        how = "Finished" if result.outcome is Outcome.FINISHED else "Stopped early"
        say(f"{how}: {described_metrics(result.final_metrics)}")
    elif result.outcome is Outcome.KILLED:
        complain("ended before the last checkpoint was written.", FAILED)
    elif summary.evaluation_error is None:
        say(
            "Finished; the final evaluation was interrupted."
            if result.outcome is Outcome.FINISHED
            else "Stopped early."
        )
    if summary.learning_curve is not None:
        say(f"Learning curve: {start.shown(summary.learning_curve)}")
    say(f"Run: {root}")
    if returns is None and result.final_metrics is None:
        say(f"To evaluate what it has learned: {command('evaluate', str(root))}")
    if result.outcome in (Outcome.STOPPED, Outcome.KILLED):
        say(f"To resume it: {command('train', f'--resume={root}')}")
    if summary.evaluation_error is not None:
        return complain(f"the final evaluation failed: {summary.evaluation_error}", FAILED)
    return FAILED if result.outcome is Outcome.KILLED else OK


def _described_restarts(result: RunResult) -> str:
    roles = ", ".join(f"{role} {number}" for role, number in result.restarts.items())
    return (
        f"Processes started again: {sum(result.restarts.values())} ({roles}), with "
        f"{result.seconds_lost:.1f} s lost"
    )


def _described_sizes(experiment: Mapping[str, Any]) -> str:
    from quinoa.launch.terminal.numbers import count

    threads = experiment["learner_threads"]
    return (
        f"{count(experiment['num_actors'], 'actor')} of "
        f"{count(experiment['environments_per_actor'], 'environment')}, "
        f"{count(experiment['steps_per_call'], 'gradient step')} a call, "
        f"{'as many threads as fit' if threads is None else count(threads, 'thread')} "
        "for the learner"
    )


COMMAND = Command(
    "[FLAGS]",
    "train an agent",
    "Ends at the last step, at Ctrl-C or SIGTERM, and keeps everything in the run's folder.\n"
    "With no flags, trains the default agent on a small task, in a few minutes.\n\n"
    "  quinoa train --env=control:walker:walk --steps=1000000 --num_actors=4\n"
    "  quinoa train --set learning_rate=3e-4 --set batch_size=128 --seed=1\n"
    "  quinoa train --resume=runs/RUN\n"
    "  quinoa train --engine=ray --num_actors=32\n"
    "  quinoa train --attach=runs/RUN",
    train_flags.define,
    _run,
)
