"""One run from its flags to its end, for `quinoa train` and for Python."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from absl import flags

from quinoa.config.fields import ConfigError
from quinoa.launch.commands.base import UsageError
from quinoa.launch.commands.options import field_flags
from quinoa.launch.commands.running.new_experiment import check_environment, make_experiment
from quinoa.launch.commands.running.resumed_experiment import resume_experiment
from quinoa.launch.engines import ENGINES
from quinoa.launch.engines.base import ProcessContext
from quinoa.launch.engines.calls import Call, Caller, call_here, say_on_stderr
from quinoa.launch.engines.local import warm_calls, warm_parent
from quinoa.launch.engines.settings import EngineSettings, SupervisedSettings
from quinoa.launch.errors import ExperimentError
from quinoa.launch.machine.start_folder import StartFolder
from quinoa.launch.terminal.output import say

if TYPE_CHECKING:
    from quinoa.environments.source import EnvironmentSource
    from quinoa.launch.experiment import Experiment
    from quinoa.launch.experiment.validation import Say
    from quinoa.launch.machine.sizing import LearnerHost
    from quinoa.launch.run.run_folder import RunFolder
    from quinoa.launch.train import Summary, View

T = TypeVar("T")


def run(
    values: flags.FlagValues,
    inherited: Mapping[str, str],
    *,
    environment: EnvironmentSource | None = None,
    on_start: Callable[[RunFolder, Experiment], object] | None = None,
    view: View | None = None,
) -> tuple[RunFolder, Summary]:
    """Runs the experiment that the flags of `quinoa train` describe, to its end.

    Args:
        values: parsed flags.
        inherited: the environment variables for the processes of the run.
        environment: an object that makes the environment, instead of what `--env` says.
        on_start: see `quinoa.launch.train.train`.
        view: likewise.

    Returns:
        The run's folder, an absolute path, and a summary of the run.

    Raises:
        ExperimentError: the experiment cannot be run; its folder is removed again.
        RunError: the run to resume is damaged.
        UsageError: flags contradict each other, or a setting cannot be understood.
    """
    from quinoa.launch import engines, resume
    from quinoa.launch.experiment.validation import validate
    from quinoa.launch.run import run_folder
    from quinoa.launch.watch import folder_copy, wandb_mirror

    start = StartFolder()
    settings = check_flags(values)
    fetch_copy(values, start)
    # First what can be checked without TensorFlow, whose import takes seconds.
    new = None
    if values.resume is None:
        with _learner_host(values) as learner_host:
            new = make_experiment(values, inherited, environment, learner_host=learner_host)
        check_environment(new)
        if values.folder:
            run_folder.RunFolder(start.absolute(values.folder)).require_new()
    context = ProcessContext(inherited, start.path)
    call: Call = call_here
    with contextlib.ExitStack() as holding:
        if ENGINES[values.engine].forks:
            # It imports TensorFlow, and this process does not.
            warm = holding.enter_context(warm_parent.started(context.environment, context.folder))
            context = dataclasses.replace(context, warm_parent=warm)
            of_engine = settings[values.engine]
            hang_timeout_s = (
                of_engine.hang_timeout_s if isinstance(of_engine, SupervisedSettings) else math.inf
            )
            call = warm_calls.through(warm, context.folder, hang_timeout_s=hang_timeout_s)

        def trial(what: str, function: Callable[[Say], T]) -> T:
            return call(what, functools.partial(_with_say, function), caller=Caller(say_on_stderr))

        from quinoa.launch.train import train

        engine = engines.make(values.engine, context, settings[values.engine])
        resumed_at = None
        if new is None:
            folder = run_folder.existing(start.absolute(values.resume))
            holding.enter_context(resume.locked(folder))
            experiment, resumed_at = resume_experiment(
                values, folder, engine, environment, call=trial
            )
        else:
            engine.check(new)
            experiment = validate(new, call=trial)
            folder = new_folder(values, experiment, start)
            folder.create()
            holding.enter_context(resume.locked(folder))
        with (
            wandb_mirror.mirrored(folder, values.wandb),
            folder_copy.copied(folder, values.copy_to),
        ):
            return folder, train(
                experiment,
                folder,
                engine,
                resumed_at=resumed_at,
                called_in=start.path,
                view=view,
                on_start=on_start,
                call=call,
            )


def _with_say(function: Callable[[Say], T], caller: Caller) -> T:
    return function(caller.tell)


@contextlib.contextmanager
def _learner_host(
    values: flags.FlagValues,
) -> Iterator[Callable[[Experiment], LearnerHost] | None]:
    """What says within the context what the learner's host has; None if it is this machine."""
    if not ENGINES[values.engine].is_detached:
        yield None
        return
    from quinoa.launch.engines.ray import connection, placement

    with connection.connected(values.ray_address):
        yield functools.partial(placement.learner_host, actor_cpus=values.actor_cpus)


def check_flags(values: flags.FlagValues) -> dict[str, EngineSettings]:
    """Checks that flags of `quinoa train` do not contradict each other.

    Args:
        values: parsed flags; in place of a relative path, `--copy_to` gets an absolute one.

    Returns:
        What they say of the settings of each engine, by its name.

    Raises:
        UsageError: they do.
        ExperimentError: what a flag asks for is not installed, or cannot be had.
    """
    from quinoa.launch.watch import folder_copy, wandb_mirror

    settings = engine_settings(values)
    if values.preset is not None and values.resume is not None:
        raise UsageError("--preset is for a new run: the one that --resume names has its settings.")
    if values.change and values.resume is None:
        raise UsageError("--change names what may change when a run is resumed: give --resume too.")
    if values.resume_replay and values.resume is None:
        raise UsageError("--resume_replay is for a run that is resumed: give --resume too.")
    if values.wandb is not None:
        wandb_mirror.check()
    if values.copy_to is not None:
        # Before the user's code runs, which may go to another folder.
        values["copy_to"].parse(folder_copy.absolute(values.copy_to))
        folder_copy.check(values.copy_to, resumed=values.resume)
    return settings


def fetch_copy(values: flags.FlagValues, start: StartFolder) -> None:
    """Where the run to resume is a copy elsewhere, brings it into a folder, which it then names.

    The run is copied to that place again.

    Args:
        values: parsed flags of `quinoa train`, which are changed.
        start: where relative paths start.

    Raises:
        ExperimentError: the folder cannot be made.
        RunError: there is no such copy.
    """
    from quinoa.launch.run.run_folder import RunFolder
    from quinoa.launch.watch import folder_copy

    if values.resume is None or not folder_copy.is_url(values.resume):
        return
    url = values.resume
    name = url.rstrip("/").rpartition("/")[2]
    folder = RunFolder(start.absolute(values.folder or os.path.join("runs", name)))
    if folder.experiment.is_file():
        raise ExperimentError(
            f"{folder.root} already holds a run: resume that, with --resume={folder.root}, or "
            f"give another --folder for the copy at {url}."
        )
    folder_copy.restore(url, folder)
    say(f"Fetched the run at {url} into {folder.root}.")
    values["folder"].unparse()
    values["resume"].parse(str(folder.root))
    if values.copy_to is None:
        values["copy_to"].parse(url)


def new_folder(values: flags.FlagValues, experiment: Experiment, start: StartFolder) -> RunFolder:
    """The folder for a new run, an absolute path: that of `--folder`, or a fresh one in `runs/`."""
    from quinoa.launch.run import run_folder

    if values.folder:
        return run_folder.RunFolder(start.absolute(values.folder))
    return run_folder.fresh(
        experiment.task,
        experiment.agent,
        experiment.seed,
        parent=start.absolute("runs"),
    )


def engine_settings(values: flags.FlagValues) -> dict[str, EngineSettings]:
    """What flags say of the settings of each engine, by its name; all of them are checked.

    Raises:
        UsageError: settings contradict each other.
    """
    try:
        return {
            name: entry.settings(**field_flags.given(values, entry.settings, left_out=True))
            for name, entry in ENGINES.items()
        }
    except ConfigError as error:
        raise UsageError(str(error)) from error
