"""Trains an agent."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from quinoa.launch.commands.base import FAILED, OK, Command, complain, expect
from quinoa.launch.commands.options import train_flags
from quinoa.launch.machine import lean_imports, process_environment
from quinoa.launch.machine.start_folder import StartFolder
from quinoa.launch.run.result import Outcome
from quinoa.launch.terminal.output import command, say

if TYPE_CHECKING:
    from quinoa.launch.experiment import Experiment
    from quinoa.launch.run.result import RunResult
    from quinoa.launch.run.run_folder import RunFolder


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    expect(arguments, 0, "train takes flags only")
    start = StartFolder()
    inherited = process_environment.set_for_this_process()
    lean_imports.install()
    from quinoa.launch.commands.running import one_run

    def about(folder: RunFolder, experiment: Experiment) -> None:
        root = start.shown(folder.root)
        by = f" by the preset {experiment.preset}" if experiment.preset else ""
        say(f"Training {experiment.agent} on {experiment.environment}{by} in {root}")
        say(f"With {_described_sizes(experiment)}.")
        say(f"To watch it from another terminal: {command('status', str(root))}")

    folder, summary = one_run.run(values, inherited, on_start=about)
    from quinoa.launch.train import describe

    root = start.shown(folder.root)
    result = summary.result
    if result.restarts:
        say(f"{_described_restarts(result)}; see {start.shown(folder.events)}.")
    if result.outcome is Outcome.FAILED:
        say(f"Run: {root}")
        complain(f"{result.failed_node} failed; see {start.shown(folder.logs)}.", FAILED)
        say(str(result.error), sys.stderr)
        return FAILED
    if summary.final is not None:
        returns = summary.final.returns
        say(f"Return of the final policy: {describe(returns)} ({len(returns)} episodes)")
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
    if summary.final is None:
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


def _described_sizes(experiment: Experiment) -> str:
    from quinoa.launch.machine import sizing
    from quinoa.launch.terminal.numbers import count

    threads = experiment.learner_threads or sizing.usable_cores()
    return (
        f"{count(experiment.num_actors, 'actor')} of "
        f"{count(experiment.environments_per_actor, 'environment')}, "
        f"{count(experiment.steps_per_call, 'gradient step')} a call, "
        f"{count(threads, 'thread')} for the learner"
    )


COMMAND = Command(
    "[FLAGS]",
    "train an agent",
    "Ends at the last step, at Ctrl-C or SIGTERM, and keeps everything in the run's folder.\n"
    "With no flags, trains the default agent on a small task, in a few minutes.\n\n"
    "  quinoa train --env=control:walker:walk --steps=1000000 --num_actors=4\n"
    "  quinoa train --set learning_rate=3e-4 --set batch_size=128 --seed=1\n"
    "  quinoa train --resume=runs/RUN",
    train_flags.define,
    _run,
)
