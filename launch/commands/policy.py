"""Draws actions of a run's policy in one state."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from launch import process_environment
from launch.commands.base import FAILED, OK, Command, UsageError, complain, define_number, expect
from launch.terminal import say


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    number = functools.partial(define_number, values)
    flags.DEFINE_string(
        "out", "policy.png", "The picture's file; its ending is the format.", flag_values=values
    )
    number("step", 100, "The state: the one after this many steps of an episode.", least=0)
    number("actions", 1000, "Actions to draw.", least=3)
    number("seed", 0, "Seed of the environment and the actions.", least=0)
    return values


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    expect(arguments, 1, "policy takes the folder of one run")
    process_environment.set_for_this_process()
    from environments import EnvironmentFault
    from launch import run_folder
    from launch.policy_picture import draw_policy

    folder = run_folder.existing(arguments[0])
    try:
        path = draw_policy(
            folder,
            Path(values.out),
            step=values.step,
            num_actions=values.actions,
            seed=values.seed,
        )
    except EnvironmentFault as error:
        return complain(str(error), FAILED)
    except (OSError, ValueError) as error:
        raise UsageError(f"{values.out} cannot be drawn: {error}") from error
    say(str(path))
    return OK


COMMAND = Command(
    "RUN [FLAGS]",
    "draw actions of a run's policy in one state",
    "RUN is the folder of a run; its newest checkpoint is drawn, dimension against dimension,\n"
    "with the density of the actions.",
    _flags,
    _run,
)
