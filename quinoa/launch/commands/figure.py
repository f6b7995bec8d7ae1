"""`quinoa figure`: runs what a figure of a paper takes, and draws it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from quinoa.launch.commands.base import (
    FAILED,
    OK,
    Command,
    UsageError,
    complain,
    define_number,
    expect,
    expect_writable,
)
from quinoa.launch.commands.running import planned_runs
from quinoa.launch.errors import ExperimentError
from quinoa.launch.machine import lean_imports, process_environment
from quinoa.launch.machine.start_folder import StartFolder
from quinoa.launch.sweep import paper_figures
from quinoa.launch.terminal.numbers import count
from quinoa.launch.terminal.output import command, say

if TYPE_CHECKING:
    from quinoa.launch.sweep.paper_figures.figure_folder import FigureFolder
    from quinoa.launch.sweep.sweep_folder import PlannedRun


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.DEFINE_enum(
        "scale",
        None,
        list(paper_figures.SCALES),
        "How large its runs are: small takes a night on two cores at most, medium a night on 16, "
        "paper is what the paper did. Default: that of the runs in the folder, or else small.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "folder",
        None,
        "Where the runs and the figure go; runs that are there already are resumed. Default: "
        "runs/figure-NAME-SCALE.",
        flag_values=values,
    )
    define_number(
        values,
        "at_once",
        None,
        "Runs at the same time. Default: as many as there are cores and memory for, or as when "
        "they were begun.",
    )
    flags.DEFINE_boolean("retry_failed", False, "Try runs that failed again.", flag_values=values)
    flags.DEFINE_boolean(
        "dry_run",
        False,
        "Only show the runs, and about how long those take that are not over.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "redraw",
        False,
        "Only draw the figure again, of the runs that are finished.",
        flag_values=values,
    )
    return values


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    if not arguments:
        _say_figures()
        return OK
    expect(arguments, 1, "figure takes the name of one figure")
    figure = paper_figures.load(arguments[0])
    if values.redraw and (values.dry_run or values.retry_failed):
        other = "dry_run" if values.dry_run else "retry_failed"
        raise UsageError(f"--redraw runs nothing: leave --{other} out.")
    inherited = process_environment.set_for_this_process()
    lean_imports.install()
    from quinoa.launch.sweep.paper_figures import plan
    from quinoa.launch.sweep.paper_figures.figure_folder import FigureFolder

    start = StartFolder()
    wanted = values.scale or paper_figures.SCALES[0]
    folder = FigureFolder(
        start.absolute(values.folder or Path("runs") / f"figure-{figure.name}-{wanted}"), figure
    )
    if not values.dry_run:
        # Of a folder that there is, it is what it holds that is to be written.
        expect_writable("folder", folder.description if folder.root.exists() else folder.root)
    scale = folder.scale()
    if scale is not None and values.scale not in (None, scale):
        raise ExperimentError(
            f"{start.shown(folder.root)} has the figure at the scale {scale}: leave --scale out, "
            "or give another --folder."
        )
    if values.redraw:
        if scale is None:
            raise ExperimentError(
                f"There are no runs of {figure.name} at {start.shown(folder.root)} to draw: leave "
                "--redraw out to begin them."
            )
        return _draw(folder, folder.sweep.load(), start)
    is_new = scale is None
    planned = plan.plan(figure, wanted) if is_new else folder.sweep.load()
    if values.dry_run:
        return _say_runs(folder, planned, inherited, retry_failed=values.retry_failed)
    if scale is not None:
        with planned_runs.locked(folder.sweep):
            at_once = values.at_once or folder.sweep.at_once()
            return _run_planned(values, folder, planned, at_once, inherited, start)
    say(f"Checking {count(len(planned), 'run')}.")
    # The others differ from them in their seeds alone.
    first = [plan.without_pretraining(run) for run in planned if run.seed == planned[0].seed]
    needs = planned_runs.check(first, inherited)
    at_once, planned = planned_runs.sized(planned, values.at_once, needs)
    folder.sweep.create()
    with planned_runs.locked(folder.sweep):
        folder.sweep.save(planned, at_once, [], start.path)
        folder.set_scale(wanted)
        return _run_planned(values, folder, planned, at_once, inherited, start)


def _run_planned(
    values: flags.FlagValues,
    folder: FigureFolder,
    planned: Sequence[PlannedRun],
    at_once: int,
    inherited: Mapping[str, str],
    start: StartFolder,
) -> int:
    """Runs what is left to run, and draws the figure if nothing is left; returns the status."""
    from quinoa.launch.sweep.paper_figures import drawing, plan

    # Runs that begin with others' networks wait until all of these have come to their end.
    first = [run for run in planned if plan.is_pretraining(folder.figure, run)]
    rest = [run for run in planned if run not in first]
    for stage in filter(None, (first, rest)):
        was_stopped = planned_runs.run(
            folder.sweep, stage, at_once, inherited, start, retry_failed=values.retry_failed
        )
        finished = drawing.finished(folder, first)
        if was_stopped or len(finished) < len(first):
            break
    again = ("figure", folder.figure.name, f"--folder={start.shown(folder.root)}")
    status = planned_runs.say_ends(folder.sweep, planned, start, again)
    if not drawing.finished(folder, planned):
        return status
    if planned_runs.unfinished(folder.sweep, planned):
        say(f"To draw those that are finished: {command(*again, '--redraw')}")
        return status
    return max(_draw(folder, planned, start), status)


def _draw(folder: FigureFolder, planned: Sequence[PlannedRun], start: StartFolder) -> int:
    from quinoa.environments import EnvironmentFault
    from quinoa.launch.sweep.paper_figures import drawing

    try:
        paths = drawing.draw(folder, planned)
    except EnvironmentFault as error:
        return complain(str(error), FAILED)
    except OSError as error:
        raise UsageError(f"The figure cannot be written: {error}") from error
    for path in paths:
        say(str(start.shown(path)))
    return OK


def _say_figures() -> None:
    width = max(len(figure.name) for figure in paper_figures.every())
    for figure in paper_figures.every():
        say(f"{figure.name:{width}}  {figure.about} ({figure.source})")


def _say_runs(
    folder: FigureFolder,
    planned: Sequence[PlannedRun],
    inherited: Mapping[str, str],
    *,
    retry_failed: bool,
) -> int:
    """Says which runs there are, in which state, and how long those take that would be run."""
    from quinoa.launch.machine import sizing
    from quinoa.launch.sweep.paper_figures.plan import LINE, core_seconds, without_pretraining
    from quinoa.launch.sweep.sweep_folder import SweepRunState

    figure, sweep = folder.figure, folder.sweep
    over = (
        {SweepRunState.FINISHED} if retry_failed else {SweepRunState.FINISHED, SweepRunState.FAILED}
    )
    states = {run.name: sweep.state(run) for run in planned}
    left = [run for run in planned if states[run.name] not in over]
    costs: dict[tuple[str, str], float] = {}
    for run in planned:
        alike = (run.settings[LINE], run.settings["env"])
        if alike not in costs:
            experiment, _ = planned_runs.experiment_of(without_pretraining(run), inherited)
            costs[alike] = core_seconds(figure, experiment)
    for run in planned:
        say(f"{run.name}  {states[run.name].value}  {shlex.join(run.arguments)}")
    hours = sum(costs[run.settings[LINE], run.settings["env"]] for run in left) / 3600
    cores = sizing.usable_cores()
    say(
        f"\n{figure.name}: {figure.about} ({figure.source})\n"
        f"{len(left)} of {count(len(planned), 'run')} to do, "
        f"{sum(run.steps for run in left):,} steps: about {hours:,.1f} hours of a core, "
        f"{hours / min(cores, max(len(left), 1)):,.1f} on {count(cores, 'core')}, where a core "
        f"does {figure.core_steps:,} environment steps or learns from "
        f"{figure.core_transitions:,} transitions in a second."
    )
    return OK


COMMAND = Command(
    "[FIGURE] [FLAGS]",
    "run what a figure of a paper takes, and draw it",
    "Runs every algorithm of the figure in every environment with every seed, as quinoa sweep\n"
    "would, and draws the figure with its intervals, beside a CSV file of its numbers. The same\n"
    "command resumes what was stopped. Without FIGURE, shows the figures that there are.\n\n"
    "  quinoa figure FIGURE --dry_run\n"
    "  quinoa figure FIGURE --scale=medium\n"
    "  quinoa figure FIGURE --redraw",
    _flags,
    _run,
)
