"""Draws the learning curves of runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from launch import process_environment
from launch.commands.base import OK, Command, UsageError
from launch.terminal import say


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.DEFINE_string(
        "out",
        "learning_curves.png",
        "The picture's file; its ending is the format.",
        flag_values=values,
    )
    return values


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    if not arguments:
        raise UsageError("plot takes the folders of one run or more. See quinoa plot --help.")
    process_environment.set_for_this_process()
    from launch import plotting, run_folder
    from launch.experiment import load

    groups: dict[tuple[str, str], list[run_folder.RunFolder]] = {}
    for argument in arguments:
        folder = run_folder.existing(argument)
        experiment = load(folder)
        groups.setdefault((experiment.agent, experiment.environment), []).append(folder)
    environments = sorted({environment for _, environment in groups})
    labelled = [
        (agent if len(environments) == 1 else f"{agent} on {environment}", folders)
        for (agent, environment), folders in groups.items()
    ]
    title = environments[0] if len(environments) == 1 else "Evaluation"
    try:
        say(str(plotting.plot_runs(labelled, title, Path(values.out))))
    except (OSError, ValueError) as error:
        raise UsageError(f"{values.out} cannot be drawn: {error}") from error
    return OK


COMMAND = Command(
    "RUN... [FLAGS]",
    "draw the learning curves of runs",
    "Runs of the same agent and environment become one line, their median, and a band from\n"
    "the least to the greatest.",
    _flags,
    _run,
)
