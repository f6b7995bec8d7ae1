"""The flag of the commands that look at what a run has learned: which of its checkpoints."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from absl import flags

from quinoa.launch.commands.base import define_number
from quinoa.launch.terminal import say

if TYPE_CHECKING:
    from quinoa.launch.checkpoints import Checkpoint
    from quinoa.launch.run_folder import RunFolder


def define(values: flags.FlagValues) -> None:
    """Defines `--checkpoint`."""
    define_number(
        values,
        "checkpoint",
        None,
        "Which checkpoint of the run: its learner steps, the name of its folder. Default: the "
        "newest that is whole.",
        least=0,
    )


def take(values: flags.FlagValues, folder: RunFolder) -> Checkpoint:
    """Finds the checkpoint; says which newer ones are damaged.

    Raises:
        RunError: there is none, or it is damaged.
    """
    from quinoa.launch import checkpoints

    checkpoint, damaged = checkpoints.chosen(folder.checkpoints, values.checkpoint)
    for error in damaged:
        say(f"quinoa: note: {error.what}; taking {checkpoint.path}.", sys.stderr)
    return checkpoint
