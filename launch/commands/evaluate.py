"""Plays episodes with what a run has learned."""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from launch import process_environment
from launch.commands.base import FAILED, OK, Command, complain, define_number, expect
from launch.terminal import say


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    define_number(values, "episodes", 10, "Episodes to play.")
    flags.DEFINE_boolean(
        "sample", False, "Sample actions rather than take the policy's mode.", flag_values=values
    )
    text = "Seed of environments and actions. Default: one that follows from the run's."
    define_number(values, "seed", None, text, least=0)
    return values


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    expect(arguments, 1, "evaluate takes the folder of one run")
    process_environment.set_for_this_process()
    from environments import EnvironmentFault
    from launch import run_folder
    from launch.evaluate import evaluate_run
    from launch.train import describe

    try:
        result = evaluate_run(
            run_folder.existing(arguments[0]),
            values.episodes,
            sample=values.sample,
            seed=values.seed,
        )
    except EnvironmentFault as error:
        return complain(str(error), FAILED)
    kind = "sampled actions" if values.sample else "the policy's mode"
    say(f"Return: {describe(result.returns)} ({values.episodes} episodes, {kind})")
    return OK


COMMAND = Command(
    "RUN [FLAGS]",
    "play episodes with what a run has learned",
    "RUN is the folder of a run; its newest checkpoint is played.",
    _flags,
    _run,
)
