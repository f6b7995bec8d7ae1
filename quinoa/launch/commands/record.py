"""`quinoa record`: records what a run's policy does, as demonstrations in Minari's format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from quinoa.launch.commands.base import (
    FAILED,
    OK,
    Command,
    complain,
    define_number,
    expect,
    expect_writable,
    telling_what_is_lost,
)
from quinoa.launch.commands.export import check_new
from quinoa.launch.commands.options import trained
from quinoa.launch.machine import process_environment
from quinoa.launch.machine.start_folder import StartFolder
from quinoa.launch.terminal.output import say


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    define_number(values, "episodes", 10, "Episodes to record.")
    flags.DEFINE_string(
        "out",
        None,
        "The folder to make. Default: demonstrations-v0 in the run's, where "
        "--demonstrations=run:RUN looks for it.",
        flag_values=values,
    )
    define_number(
        values,
        "seed",
        None,
        "Seed of environments and actions. Default: one that follows from the run's.",
        least=0,
    )
    trained.define_sample(values)
    trained.define(values)
    trained.define_environment(values)
    return values


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    expect(arguments, 1, "record takes the folder of one run")
    process_environment.set_for_this_process()
    from quinoa.environments import EnvironmentFault
    from quinoa.launch.run import run_folder
    from quinoa.launch.terminal.progress_bar import ProgressBar
    from quinoa.launch.trained import recording

    start = StartFolder()
    folder = run_folder.existing(start.absolute(arguments[0]))
    out = Path(values.out) if values.out else folder.demonstrations
    expect_writable("out", out)
    check_new(start.absolute(out))
    recording.check_installed()
    experiment = trained.load(values, folder)
    checkpoint = trained.chosen_checkpoint(values, folder)

    def lost() -> str:
        return f"{progress.done} of {values.episodes} episodes were played, and nothing is kept."

    try:
        with telling_what_is_lost(lost), ProgressBar(values.episodes, "episodes") as progress:
            result = recording.record(
                folder,
                experiment,
                checkpoint,
                values.episodes,
                start.absolute(out),
                sample=values.sample,
                seed=values.seed,
                on_episodes=progress.advance,
            )
    except EnvironmentFault as error:
        return complain(str(error), FAILED)
    from quinoa.launch.train import describe

    say(
        f"{start.shown(start.absolute(out))}: {len(result.returns)} episodes, "
        f"{int(result.lengths.sum())} actions, return {describe(result.returns)}"
    )
    return OK


COMMAND = Command(
    "RUN [FLAGS]",
    "record what a run has learned to do, as demonstrations",
    "RUN is the folder of a run. Its policy plays episodes, which are written as a dataset of\n"
    "Minari; the package is the extra minari. Other runs learn from them by\n"
    "--demonstrations.\n\n"
    "  quinoa record runs/RUN --episodes=20\n"
    "  quinoa record runs/RUN --out=walker-expert-v0 --sample\n"
    "  quinoa train --env=TASK --demonstrations=run:runs/RUN",
    _flags,
    _run,
)
