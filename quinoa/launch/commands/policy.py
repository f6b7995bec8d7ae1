"""`quinoa policy`: draws samples of a run's policy in given states."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

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
from quinoa.launch.commands.options import trained
from quinoa.launch.errors import ExperimentError
from quinoa.launch.machine import process_environment
from quinoa.launch.machine.start_folder import StartFolder
from quinoa.launch.terminal.output import say

_STEP = "100"


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    number = functools.partial(define_number, values)
    flags.DEFINE_string(
        "out", "policy.png", "The picture's file; its ending is the format.", flag_values=values
    )
    flags.DEFINE_list(
        "step",
        [_STEP],
        "The state: the one after this many steps of an episode; or several, such as 0,100,500.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "observation",
        None,
        "A file that holds the state instead: the numbers of one observation or a list of several, "
        "in .npy or .json.",
        flag_values=values,
    )
    number("actions", 1000, "Actions to draw in each state.", least=3)
    number("seed", 0, "Seed of the environment and the actions.", least=0)
    trained.define(values)
    trained.define_environment(values)
    return values


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    expect(arguments, 1, "policy takes the folder of one run")
    steps = _steps(values.step)
    if values.observation is not None and values["step"].present:
        raise UsageError("--step and --observation both say the state: give one of them.")
    expect_writable("out", Path(values.out))
    process_environment.set_for_this_process()
    from quinoa.environments import EnvironmentFault
    from quinoa.launch.run import run_folder
    from quinoa.launch.trained.policy_picture import MAX_STATES, draw_policy, read_states

    start = StartFolder()
    folder = run_folder.existing(start.absolute(arguments[0]))
    experiment = trained.load(values, folder)
    states = [] if values.observation is None else read_states(start.absolute(values.observation))
    if max(len(states), len(steps)) > MAX_STATES:
        raise UsageError(f"One picture has room for {MAX_STATES} states at most: give fewer.")
    checkpoint = trained.chosen_checkpoint(values, folder)
    try:
        path = draw_policy(
            experiment,
            checkpoint,
            start.absolute(values.out),
            steps=() if states else steps,
            states=states,
            num_actions=values.actions,
            seed=values.seed,
        )
    except EnvironmentFault as error:
        return complain(str(error), FAILED)
    except ExperimentError:
        raise
    except (OSError, ValueError) as error:
        raise UsageError(f"{values.out} cannot be drawn: {error}") from error
    say(str(start.shown(path)))
    return OK


def _steps(texts: Sequence[str]) -> list[int]:
    steps = sorted({int(text) for text in texts if text.isdecimal()})
    if not steps or not all(text.isdecimal() for text in texts):
        raise UsageError(
            f"--step={','.join(texts)}: it must be a whole number, at least 0, or several, "
            "separated by commas."
        )
    return steps


COMMAND = Command(
    "RUN [FLAGS]",
    "draw actions of a run's policy in one state or several",
    "RUN is the folder of a run. Actions are drawn dimension against dimension, with their\n"
    "density, a row for each state; of a finite set, the bars are their probabilities.\n\n"
    "  quinoa policy runs/RUN --step=0,200\n"
    "  quinoa policy runs/RUN --observation=states.npy --out=states.png",
    _flags,
    _run,
)
