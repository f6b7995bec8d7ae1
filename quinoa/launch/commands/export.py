"""`quinoa export`: exports a run's policy to files that need no part of this project."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from quinoa.launch.commands.base import OK, Command, UsageError, expect, expect_writable
from quinoa.launch.commands.options import trained
from quinoa.launch.errors import ExperimentError
from quinoa.launch.machine import process_environment
from quinoa.launch.machine.start_folder import StartFolder
from quinoa.launch.terminal.output import say

if TYPE_CHECKING:
    from quinoa.launch.trained.export import Difference


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.DEFINE_string(
        "out",
        None,
        "The folder to make. Default: in the current one, the run's name and -policy.",
        flag_values=values,
    )
    trained.define(values)
    return values


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    expect(arguments, 1, "export takes the folder of one run")
    process_environment.set_for_this_process()
    from quinoa.launch.experiment.saved import load
    from quinoa.launch.run import run_folder

    start = StartFolder()
    folder = run_folder.existing(start.absolute(arguments[0]))
    experiment = load(folder)
    checkpoint = trained.chosen_checkpoint(values, folder)
    out = Path(values.out) if values.out else Path(f"{folder.root.resolve().name}-policy")
    expect_writable("out", out)
    to = start.absolute(out)
    check_new(to)
    # It imports TensorFlow, and so comes after everything that can be refused quickly.
    from quinoa.launch.trained.export import ARRAYS, DESCRIPTION, SAVED_MODEL, SOURCE, export

    try:
        made = export(folder, experiment, checkpoint, to)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror or error}.") from error
    say(f"{out / SAVED_MODEL}: TensorFlow; {_described(made.saved_model, 'sample')}")
    if made.numpy is None:
        say(
            f"quinoa: note: the NumPy form of {made.policy_class} is not known, only that of the "
            "policies of quinoa.agents.policies: there is a SavedModel alone.",
            sys.stderr,
        )
    else:
        say(
            f"{out / SOURCE}, {ARRAYS}: NumPy alone; "
            f"{_described(made.numpy, 'means of samples in standard errors')}"
        )
    say(f"{out / DESCRIPTION}: what observations and actions are")
    return OK


def check_new(out: Path) -> None:
    """Raises `ExperimentError` if the folder to create exists and is not empty."""
    if out.is_dir() and any(out.iterdir()):
        raise ExperimentError(f"{out} is not empty: give a new folder.")
    if out.exists() and not out.is_dir():
        raise ExperimentError(f"{out} is a file: give a new folder.")


def _described(difference: Difference, sample: str) -> str:
    found = {"mode": difference.mode, "log_prob": difference.log_prob, sample: difference.sample}
    named = [f"{name} {value:.1g}" for name, value in found.items() if value is not None]
    return f"greatest difference: {', '.join(named)}"


COMMAND = Command(
    "RUN [FLAGS]",
    "take a run's policy away, for TensorFlow or NumPy alone",
    "RUN is the folder of a run. What is made needs no part of this project: a SavedModel, and\n"
    "a NumPy policy of one source file and one of arrays. Each is compared with the original on\n"
    "random states first, and nothing is made where they differ.\n\n"
    "  quinoa export runs/RUN --out=walker_policy",
    _flags,
    _run,
)
