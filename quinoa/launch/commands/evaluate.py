"""Plays episodes with what a run has learned."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from quinoa.launch import process_environment
from quinoa.launch.commands import checkpoint as checkpoint_flag
from quinoa.launch.commands.base import (
    FAILED,
    OK,
    Command,
    UsageError,
    complain,
    define_number,
    expect,
)
from quinoa.launch.terminal import say


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    define_number(values, "episodes", 10, "Episodes to play, for each seed.")
    flags.DEFINE_boolean(
        "sample", False, "Sample actions rather than take the policy's mode.", flag_values=values
    )
    flags.DEFINE_list(
        "seeds",
        [],
        "Seeds of environments and actions, such as 0,1,2. Default: one that follows from the "
        "run's.",
        flag_values=values,
    )
    checkpoint_flag.define(values)
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
    seeds = _seeds(values.seeds)
    if values.json not in (None, "-"):
        _check_writable(Path(values.json))
    process_environment.set_for_this_process()
    from quinoa.environments import EnvironmentFault
    from quinoa.launch import run_folder
    from quinoa.launch.evaluate import evaluate_seeds, report
    from quinoa.launch.experiment import load
    from quinoa.launch.files import write_json
    from quinoa.launch.tally import Tally
    from quinoa.launch.train import describe

    folder = run_folder.existing(arguments[0])
    experiment = load(folder)
    checkpoint = checkpoint_flag.take(values, folder)
    try:
        with Tally(values.episodes * len(seeds), "episodes") as tally:
            results = evaluate_seeds(
                experiment,
                checkpoint,
                values.episodes,
                sample=values.sample,
                seeds=seeds,
                on_episodes=tally.add,
            )
    except EnvironmentFault as error:
        return complain(str(error), FAILED)
    found = report(
        folder,
        experiment,
        checkpoint,
        values.episodes,
        sample=values.sample,
        seeds=seeds,
        results=results,
    )
    stream = sys.stderr if values.json == "-" else sys.stdout
    kind = "sampled actions" if values.sample else "the policy's mode"
    if len(seeds) > 1:
        for seed, result in zip(seeds, results, strict=True):
            say(f"Return with seed {seed}: {describe(result.returns)}", stream)
    say(
        f"Return: {found['mean']:.1f} ± {found['std']:.1f} ({len(found['episodes'])} episodes, "
        f"{kind})",
        stream,
    )
    if values.json == "-":
        print(json.dumps(found, indent=2))
    elif values.json is not None:
        try:
            write_json(Path(values.json), found)
        except OSError as error:
            raise UsageError(f"{values.json} cannot be written: {error.strerror}.") from error
        say(values.json)
    return OK


def _seeds(texts: Sequence[str]) -> list[int | None]:
    if not texts:
        return [None]
    seeds: list[int | None] = []
    for text in texts:
        if not text.isdecimal() or int(text) >= 2**31:
            raise UsageError(
                f"--seeds={','.join(texts)}: they must be whole numbers from 0 to 2**31 - 1, "
                "separated by commas."
            )
        if int(text) in seeds:
            raise UsageError(f"--seeds={','.join(texts)} has {text} twice.")
        seeds.append(int(text))
    return seeds


def _check_writable(path: Path) -> None:
    """Before any episode is played; makes nothing."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(f"--json={path} cannot be written: give a file in a folder that exists.")


COMMAND = Command(
    "RUN [FLAGS]",
    "play episodes with what a run has learned",
    "RUN is the folder of a run. Nothing is written to it.\n\n"
    "  quinoa evaluate runs/RUN --episodes=20\n"
    "  quinoa evaluate runs/RUN --seeds=0,1,2 --sample --json=evaluation.json",
    _flags,
    _run,
)
