"""`quinoa plot`: draws the learning curves of runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from absl import flags

from quinoa.launch.commands.base import OK, Command, UsageError, define_number, expect_writable
from quinoa.launch.machine import process_environment
from quinoa.launch.machine.streams import STANDARD_OUTPUT, data_stream
from quinoa.launch.terminal.output import say

if TYPE_CHECKING:
    import pandas as pd

    from quinoa.launch.analysis.baseline import Scale
    from quinoa.launch.analysis.measures import Measure
    from quinoa.launch.analysis.run_groups import Groups

_AXES = ("steps", "updates", "hours")


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.DEFINE_string(
        "out",
        "learning_curves.png",
        "The picture's file; its ending is the format.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "x",
        "steps",
        _AXES,
        "Draw over actor steps, gradient steps (updates), or hours of training (without the time "
        "between the end of a run and its resumption).",
        flag_values=values,
    )
    flags.DEFINE_list(
        "by",
        None,
        "Settings that make another line, besides the agent: --by=tau,batch_size, or --by=run for "
        "a line each; --by=agent for none. Default: the agent's settings that differ.",
        flag_values=values,
    )
    define_number(values, "smooth", 1, "Draw means over so many successive evaluations.")
    flags.DEFINE_string(
        "table",
        None,
        "Also write a table of final returns: FILE.md, FILE.csv, or - for standard output, where "
        "all else then goes to standard error.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "evaluations",
        None,
        "Also write every evaluation of every run to this file, FILE.csv or FILE.md.",
        flag_values=values,
    )
    define_number(
        values, "last", 1, "Evaluations at the end of a run that its final return is the mean of."
    )
    flags.DEFINE_boolean(
        "normalize",
        False,
        "Draw mean, median and interquartile mean over tasks of scores in % of a baseline's, with "
        "95 % bootstrap intervals over runs. Random actions are 0 %.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "baseline",
        None,
        "With --normalize: what is 100 %. A line's name, as the legend has it, whose runs are "
        "given too; or a CSV file with the columns environment, score and, if it is known, random.",
        flag_values=values,
    )
    return values


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    if not arguments:
        raise UsageError("plot takes the folders of one run or more. See quinoa plot --help.")
    if values.normalize and not values.baseline:
        raise UsageError("--normalize needs a --baseline: a line's name, or a file of scores.")
    if values.baseline and not values.normalize:
        raise UsageError("--baseline is for --normalize: give that too.")
    expect_writable("out", Path(values.out))
    if values.table not in (None, STANDARD_OUTPUT):
        _expect_table("table", Path(values.table))
    if values.evaluations:
        _expect_table("evaluations", Path(values.evaluations))
    with data_stream(values.table) as data:
        return _plot(values, arguments, data)


def _expect_table(flag: str, path: Path) -> None:
    """Checks that a table can be written; see `expect_writable`."""
    from quinoa.launch.analysis import tables

    tables.check_name(path)
    expect_writable(flag, path)


def _plot(values: flags.FlagValues, paths: Sequence[str], data: TextIO | None) -> int:
    """Draws the curves, and writes the table to `data`, or to --table's file if that is None."""
    process_environment.set_for_this_process()
    from quinoa.launch.analysis import comparison, curves, measures, plots, scores, tables

    assert tuple(curves.AXES) == _AXES
    groups = comparison.groups_of(paths, values.by)
    measure = comparison.measure_of(groups)
    if measure != measures.RETURN and (values.normalize or values.evaluations):
        raise UsageError(
            "These runs learned from demonstrations alone and have no returns: leave "
            "--normalize and --evaluations out."
        )
    try:
        if values.normalize:
            table = _draw_normalized(groups, values)
        else:
            axis = measure.axis(values.x)
            panels = comparison.panels_of(groups, measure, axis, values.smooth)
            plots.plot_panels(panels, Path(values.out), axis=axis, of=measure.text)
            table = scores.final_table(groups, values.last, measure) if values.table else None
    except (OSError, ValueError) as error:
        raise UsageError(f"{values.out} cannot be drawn: {error}") from error
    say(values.out)
    if table is not None and data is not None:
        tables.say_table(table, data, measure)
    elif table is not None:
        _write(table, values.table, measure)
    if values.evaluations:
        _write(scores.all_evaluations(groups), values.evaluations, measure)
    return OK


def _write(table: pd.DataFrame, path: str, measure: Measure) -> None:
    from quinoa.launch.analysis import tables

    try:
        tables.write_table(table, Path(path), measure)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error}") from error
    say(path)


def _draw_normalized(groups: Groups, values: flags.FlagValues) -> pd.DataFrame | None:
    """Draws normalised scores; returns the table of final scores if --table asks for one."""
    from quinoa.launch.analysis import aggregates, curves, plots

    aggregates.by_label(groups)
    by_environment = _scales(groups, values)
    along_training = aggregates.aggregate(groups, by_environment, values.x, values.smooth)
    for label, of_label in along_training.items():
        most = max(len(labels[label]) for labels in groups.values())
        if most > of_label.num_runs:
            say(
                f"quinoa: note: {label} has up to {most} runs a task, and {of_label.num_runs} of "
                "another: that many of each are taken.",
                sys.stderr,
            )
    bands = {
        name: {
            label: plots.Band(
                of_label.x,
                of_label.values[index],
                None if of_label.low is None else of_label.low[index],
                None if of_label.high is None else of_label.high[index],
            )
            for label, of_label in along_training.items()
        }
        for index, name in enumerate(aggregates.AGGREGATES)
    }
    tasks = f"{len(groups)} task{'' if len(groups) == 1 else 's'}"
    plots.plot_bands(
        bands,
        Path(values.out),
        title=f"Scores over {tasks}; 100 % is {Path(values.baseline).name}",
        xlabel=curves.AXES[values.x],
        ylabel="normalised score (%)",
        level=100.0,
    )
    return aggregates.aggregate_final(groups, by_environment, values.last) if values.table else None


def _scales(groups: Groups, values: flags.FlagValues) -> dict[str, Scale]:
    """The returns that are 0 % and 100 % on each environment."""
    from quinoa.launch.analysis import baseline
    from quinoa.launch.analysis.random_score import random_score_of

    labels = {label for of_environment in groups.values() for label in of_environment}
    given = None
    if values.baseline not in labels:
        if not Path(values.baseline).is_file():
            known = ", ".join(sorted(labels))
            raise UsageError(
                f"The baseline {values.baseline} is neither a line of these runs ({known}) nor a "
                "file of scores."
            )
        given = baseline.read_baseline(Path(values.baseline))
    zeros = {}
    for environment, of_environment in groups.items():
        known_zero = given[environment][1] if given and environment in given else None
        if known_zero is not None:
            zeros[environment] = known_zero
            continue
        zeros[environment] = random_score_of(next(iter(of_environment.values()))[0])
    if given is None:
        return baseline.scales(groups, values.baseline, zeros, values.last)
    return baseline.scales_of_file(list(groups), given, zeros)


COMMAND = Command(
    "RUN... [FLAGS]",
    "draw the learning curves of runs",
    "RUN is the folder of a run, or a folder of such, as that of a sweep. Runs of the same agent\n"
    "and settings become one line, their median, and a band from the least to the greatest; each\n"
    "environment has a subplot.\n\n"
    "  quinoa plot runs/RUN_A runs/RUN_B --x=hours --out=curves.png\n"
    "  quinoa plot runs/sweep-NAME --by=tau --table=-\n"
    "  quinoa plot runs/* --normalize --baseline=AGENT --table=scores.md\n"
    "  quinoa plot runs/* --evaluations=evaluations.csv",
    _flags,
    _run,
)
