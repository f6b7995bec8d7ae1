"""`quinoa video`: records episodes of a run's policy."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from quinoa.launch.commands.base import (
    OK,
    Command,
    UsageError,
    define_number,
    expect,
    expect_writable,
    telling_what_is_lost,
)
from quinoa.launch.commands.options import trained
from quinoa.launch.errors import ExperimentError, FatalError, RunError
from quinoa.launch.machine import process_environment
from quinoa.launch.machine.start_folder import StartFolder
from quinoa.launch.terminal.output import say

_ENDINGS = (".mp4", ".gif")
_MAX_EPISODES = 16
_LEAST_SIZE, _GREATEST_SIZE = 64, 1080

if TYPE_CHECKING:
    from quinoa.environments.source import EnvironmentSource
    from quinoa.launch.experiment import Experiment
    from quinoa.launch.machine.child_process import Channel
    from quinoa.launch.run.run_folder import RunFolder


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    number = functools.partial(define_number, values)
    number("episodes", 4, f"Episodes to film, side by side: {_MAX_EPISODES} at most.")
    trained.define_sample(values)
    number("length", 1000, "Actions after which episodes that are not over are left.")
    number(
        "size",
        240,
        f"Height of each episode's picture in pixels, from {_LEAST_SIZE} to {_GREATEST_SIZE}.",
        least=_LEAST_SIZE,
    )
    number("seed", 0, "Seed of the environments and the actions.", least=0)
    trained.define(values)
    trained.define_environment(values)
    flags.DEFINE_string(
        "out",
        None,
        "The video's file, ending in .mp4 or .gif; without an ending, both are made. Default: in "
        "the run's folder, videos/ and the checkpoint's name.",
        flag_values=values,
    )
    return values


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    expect(arguments, 1, "video takes the folder of one run")
    _check(values)
    inherited = process_environment.set_for_this_process(tries_drawing=False)
    from quinoa.launch.run import run_folder

    start = StartFolder()
    folder = run_folder.existing(start.absolute(arguments[0]))
    for path in _record(values, folder, trained.load(values, folder), inherited, start):
        say(str(start.shown(path)))
    return OK


def hosted(
    channel: Channel, root: str, texts: Sequence[str], environment: EnvironmentSource | None
) -> list[str]:
    """Does what `quinoa video` does, in a child process of a user's program.

    Args:
        channel: the connection to the program.
        root: the run's folder.
        texts: flags as on the command line.
        environment: the environment, if the run does not record one that can be made again.

    Returns:
        The paths of the files.

    Raises:
        ExperimentError: the environment cannot be made or rendered, or a file not be written.
        RunError: the run is damaged, or the environment or the policy fails.
    """
    from quinoa.launch.experiment import saved
    from quinoa.launch.run import run_folder

    values = _flags()
    try:
        values(["quinoa video", *texts])
        _check(values)
        start = StartFolder()
        folder = run_folder.existing(start.absolute(root))
        loaded = saved.load(folder, environment)
        return list(map(str, _record(values, folder, loaded, channel.inherited, start)))
    except (UsageError, flags.Error) as error:
        raise ExperimentError(str(error)) from error
    except FatalError as error:
        raise RunError(str(error)) from error


def _check(values: flags.FlagValues) -> None:
    if values.episodes > _MAX_EPISODES:
        raise UsageError(f"--episodes={values.episodes}: it must be {_MAX_EPISODES} at most.")
    if values.size > _GREATEST_SIZE:
        raise UsageError(f"--size={values.size}: it must be {_GREATEST_SIZE} pixels at most.")


def _record(
    values: flags.FlagValues,
    folder: RunFolder,
    experiment: Experiment,
    inherited: Mapping[str, str],
    start: StartFolder,
) -> list[Path]:
    """Records the videos of a run; returns the absolute paths of the files.

    Raises:
        FatalError: the environment or the policy fails.
        UsageError: the environment cannot be rendered, or a file not be written.
    """
    from quinoa.environments import EnvironmentFault, NotRenderableError, rendering
    from quinoa.launch.machine import mujoco_renderer
    from quinoa.launch.terminal.progress_bar import ProgressBar
    from quinoa.launch.trained import video

    checkpoint = trained.chosen_checkpoint(values, folder)
    out = values.out or folder.videos / checkpoint.path.name
    paths = [start.absolute(path) for path in _paths(Path(out))]
    for path in paths:
        expect_writable("out", path)
    from quinoa.agents.types import NonFiniteError

    # MuJoCo reads the variable when the environment imports it. Whether the environment needs it is
    # known only when the environment has been made.
    missing: NotRenderableError | None = None
    try:
        os.environ[mujoco_renderer.VARIABLE] = mujoco_renderer.find(inherited)
    except NotRenderableError as error:
        os.environ[mujoco_renderer.VARIABLE] = "disable"
        missing = error
    lost = "no video was made."
    try:
        environments = video.make_environments(experiment, values.episodes, values.seed)
        try:
            if missing is not None and rendering.needs_mujoco_renderer(environments[0]):
                raise missing
            paths[0].parent.mkdir(parents=True, exist_ok=True)
            with (
                telling_what_is_lost(lambda: lost),
                ProgressBar(values.length, "steps") as progress,
            ):
                video.record(
                    experiment,
                    checkpoint,
                    environments,
                    paths,
                    length=values.length,
                    height=values.size,
                    seed=values.seed,
                    sample=values.sample,
                    on_step=progress.advance,
                )
        finally:
            for environment in environments:
                environment.close()
    except (EnvironmentFault, NonFiniteError) as error:
        raise FatalError(str(error)) from error
    except NotRenderableError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        # ffmpeg's message has several lines, of which the last is the error.
        why = error.strerror or (str(error).strip() or "no reason is given").splitlines()[-1]
        raise UsageError(f"{start.shown(paths[0])} cannot be written: {why}.") from error
    return paths


def _paths(out: Path) -> list[Path]:
    if out.suffix.lower() in _ENDINGS:
        return [out]
    if out.suffix:
        raise UsageError(f"--out={out}: a video ends in .mp4 or .gif, or in nothing for both.")
    if not out.name or out.is_dir():
        raise UsageError(f"--out={out} is a folder: give the name of a file in it.")
    return [out.with_name(out.name + ending) for ending in _ENDINGS]


COMMAND = Command(
    "RUN [FLAGS]",
    "film what a run has learned",
    "RUN is the folder of a run. Several episodes are shown side by side, in the time of the\n"
    "simulation, with the agent's value V(s) and the policy's entropy as they develop.\n\n"
    "  quinoa video runs/RUN\n"
    "  quinoa video runs/RUN --episodes=1 --length=300 --sample --out=walk.gif",
    _flags,
    _run,
)
