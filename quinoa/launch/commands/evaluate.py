"""`quinoa evaluate`: plays episodes with the policy of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from absl import flags

from quinoa.launch.commands.base import (
    FAILED,
    OK,
    Command,
    UsageError,
    complain,
    define_number,
    expect,
    expect_data_file,
    telling_what_is_lost,
)
from quinoa.launch.commands.options import seeds, trained
from quinoa.launch.machine import process_environment
from quinoa.launch.machine.start_folder import StartFolder
from quinoa.launch.machine.streams import STANDARD_OUTPUT, data_stream
from quinoa.launch.terminal.output import say


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    define_number(values, "episodes", 10, "Episodes to play, for each seed.")
    trained.define_sample(values)
    flags.DEFINE_string(
        "seeds",
        None,
        "Seeds of environments and actions: 0,1,2, or 0:3 for the same. Default: one that follows "
        "from the run's.",
        flag_values=values,
    )
    trained.define(values)
    trained.define_environment(values)
    flags.DEFINE_string(
        "json",
        None,
        "A file for the result as JSON: the return and length of each episode, mean, standard "
        "deviation, settings. With - it goes to standard output, and all else to standard error.",
        flag_values=values,
    )
    return values


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    expect(arguments, 1, "evaluate takes the folder of one run")
    chosen: list[int | None] = [None] if values.seeds is None else [*seeds.parse(values.seeds)]
    if values.json not in (None, STANDARD_OUTPUT):
        expect_data_file("json", Path(values.json))
    with data_stream(values.json) as data:
        return _evaluate(values, arguments[0], chosen, data)


def _evaluate(
    values: flags.FlagValues, run: str, chosen: Sequence[int | None], data: TextIO | None
) -> int:
    """Evaluates, and writes the result as JSON to `data`, or to --json's file if that is None."""
    process_environment.set_for_this_process()
    from quinoa.environments import EnvironmentFault
    from quinoa.launch.run import run_folder
    from quinoa.launch.storage.files import write_json
    from quinoa.launch.terminal.progress_bar import ProgressBar
    from quinoa.launch.train import describe
    from quinoa.launch.trained.evaluate import evaluate_seeds, kind_of_actions, report

    start = StartFolder()
    folder = run_folder.existing(start.absolute(run))
    experiment = trained.load(values, folder)
    checkpoint = trained.chosen_checkpoint(values, folder)
    total = values.episodes * len(chosen)

    def lost() -> str:
        return f"{progress.done} of {total} episodes were played, and none of it is kept."

    try:
        with telling_what_is_lost(lost), ProgressBar(total, "episodes") as progress:
            results = evaluate_seeds(
                experiment,
                checkpoint,
                values.episodes,
                sample=values.sample,
                seeds=chosen,
                on_episodes=progress.advance,
            )
    except EnvironmentFault as error:
        return complain(str(error), FAILED)
    found = report(
        folder,
        experiment,
        checkpoint,
        values.episodes,
        sample=values.sample,
        seeds=chosen,
        results=results,
    )
    kind = kind_of_actions(experiment, sample=values.sample)
    if len(chosen) > 1:
        for seed, result in zip(chosen, results, strict=True):
            say(f"Return with seed {seed}: {describe(result.returns)}")
    say(
        f"Return: {found['mean']:.1f} ± {found['std']:.1f} ({len(found['episodes'])} episodes, "
        f"{kind})"
    )
    if data is not None:
        print(json.dumps(found, indent=2), file=data)
    elif values.json is not None:
        try:
            write_json(start.absolute(values.json), found)
        except OSError as error:
            raise UsageError(f"{values.json} cannot be written: {error.strerror}.") from error
        say(values.json)
    return OK


COMMAND = Command(
    "RUN [FLAGS]",
    "play episodes with what a run has learned",
    "RUN is the folder of a run. Nothing is written to it.\n\n"
    "  quinoa evaluate runs/RUN --episodes=20\n"
    "  quinoa evaluate runs/RUN --seeds=0:3 --sample --json=evaluation.json",
    _flags,
    _run,
)
