"""A run in a cluster from its flags to its end, or until its user leaves it to itself."""

from __future__ import annotations

import contextlib
import functools
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from absl import flags

from quinoa.launch.commands.options import field_flags
from quinoa.launch.commands.running import hosted_run, one_run
from quinoa.launch.commands.running.new_experiment import check_environment, make_experiment
from quinoa.launch.engines import signals
from quinoa.launch.engines.ray import connection, placement, run_server
from quinoa.launch.engines.ray.run_server import News
from quinoa.launch.engines.settings import RaySettings
from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.machine.start_folder import StartFolder
from quinoa.launch.run import run_folder
from quinoa.launch.run.result import RunResult
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.run.status import Status
from quinoa.launch.storage.saved_json import parsing_file
from quinoa.launch.terminal.output import say
from quinoa.launch.watch.progress import Progress
from quinoa.launch.watch.run_limits import RunLimits

if TYPE_CHECKING:
    from ray.actor import ActorHandle

    from quinoa.environments.source import EnvironmentSource

_ASK_S = 0.5
# Seconds without an answer after which the run's server counts as gone.
_ANSWER_S = 60.0
# Seconds in which hosts must send their logs.
_LOGS_S = 15.0
_EVENTS = (hosted_run.STARTED, hosted_run.STATUS)


class LeftRunning(Exception):
    """The user has left the run to itself."""


def start(
    values: flags.FlagValues,
    inherited: Mapping[str, str],
    *,
    environment: EnvironmentSource | None = None,
) -> tuple[RunFolder, ActorHandle[Any]]:
    """Starts a run in the cluster that this process is connected to.

    Args:
        values: parsed flags of `quinoa train`.
        inherited: the environment variables for the processes of the run.
        environment: an object that makes the environment, instead of what `--env` says.

    Returns:
        The run's folder, an absolute path, and its server.

    Raises:
        ExperimentError: the experiment cannot be run.
        RunError: there is no run to resume.
        UsageError: flags contradict each other, or a setting cannot be understood.
    """
    one_run.check_flags(values)
    place = StartFolder()
    one_run.fetch_copy(values, place)
    if values.resume is not None:
        folder = run_folder.existing(place.absolute(values.resume))
        given = {"resume": str(folder.root)}
    else:
        # What can be checked here is refused before anything starts in the cluster.
        experiment = make_experiment(
            values,
            inherited,
            environment,
            learner_host=functools.partial(placement.learner_host, actor_cpus=values.actor_cpus),
        )
        check_environment(experiment)
        folder = one_run.new_folder(values, experiment, place)
        given = {"folder": str(folder.root)}
    # "auto" may be another cluster on the way from here to there.
    given["ray_address"] = connection.address()
    server = run_server.start(
        folder,
        hosted_run.run,
        (as_texts(values, given), environment),
        (_resuming(values, folder, given["ray_address"]), environment),
        inherited,
        place.path,
        _EVENTS,
    )
    return folder, server


@contextlib.contextmanager
def cluster_of(folder: RunFolder, address: str) -> Iterator[None]:
    """Connects to the cluster that may have a run, to ask for something there in the context.

    Args:
        folder: of the run.
        address: see `connection.connected`.

    Raises:
        ExperimentError: Ray is not installed, or no cluster answers.
        RunError: likewise, and this machine does not have the run's folder either; or the cluster
            stops to answer within the context.
    """
    with contextlib.ExitStack() as ending:
        try:
            ending.enter_context(connection.connected(address))
        except ExperimentError as error:
            if folder.experiment.is_file():
                raise
            raise RunError(
                f"There is no run at {folder.root} on this machine, and none can be looked for in "
                f"a cluster. {error}"
            ) from error
        import ray

        try:
            yield
        except ray.exceptions.RayTaskError as error:
            raise RunError(f"The run's supervisor could not do it ({error.cause}).") from error
        except ray.exceptions.RayError as error:
            raise _gone(error) from error


def attach(path: str, place: StartFolder) -> tuple[RunFolder, ActorHandle[Any]]:
    """Finds a run in the cluster that this process is connected to.

    Args:
        path: of the run's folder on the host that has it.
        place: where relative paths start.

    Raises:
        RunError: no such run is under way there, nor was a moment ago.
    """
    folder = RunFolder(place.absolute(path))
    return folder, _found(folder)


def _found(folder: RunFolder) -> ActorHandle[Any]:
    server = run_server.find(folder)
    if server is None:
        raise RunError(f"No run in {folder.root} is under way in this cluster.")
    return server


def stop(folder: RunFolder) -> None:
    """Asks a run in the cluster to end in order; a second time, at once.

    Raises:
        RunError: it is not under way there.
    """
    import ray

    if not ray.get(_found(folder).stop.remote(), timeout=_ANSWER_S):
        raise RunError(f"{folder.root} is not under way.")


def scale(folder: RunFolder, num_actors: int) -> None:
    """Asks a run in the cluster to have so many actors.

    Raises:
        RunError: it is not under way there.
    """
    import ray

    if not ray.get(_found(folder).scale.remote(num_actors), timeout=_ANSWER_S):
        raise RunError(f"{folder.root} has not started its actors yet, or is over.")


def logs(folder: RunFolder, lines: int) -> dict[str, str]:
    """The last lines that the processes of a run in the cluster have printed, by their names.

    Raises:
        RunError: it is not under way there.
    """
    import ray

    _found(folder)
    prefix = run_server.prefix_of_hosts(folder)
    names = [name for name in ray.util.list_named_actors() if name.startswith(prefix)]
    asked = []
    for name in names:
        with contextlib.suppress(ValueError):
            host = ray.get_actor(name, namespace=connection.NAMESPACE)
            asked.append(host.logs.remote(lines))
    # One that is gone has left no log that anyone can read.
    answered, _ = ray.wait(asked, num_returns=len(asked), timeout=_LOGS_S) if asked else ([], [])
    found: dict[str, str] = {}
    for answer in answered:
        with contextlib.suppress(ray.exceptions.RayError):
            found |= ray.get(answer)
    return dict(sorted(found.items()))


def _resuming(values: flags.FlagValues, folder: RunFolder, address: str) -> list[str]:
    """The flags that resume a run from what it has saved: what its folder does not have is kept."""
    settings = {field.flag_name for _, field in field_flags.with_flags(RaySettings)}
    settings |= {"wandb", "copy_to"}
    kept = [
        values[name].serialize()
        for name in settings
        if values[name].present and name != "ray_address"
    ]
    return [
        *kept,
        "--engine=ray",
        f"--ray_address={address}",
        f"--resume={folder.root}",
        "--resume_replay",
    ]


def as_texts(values: flags.FlagValues, given: Mapping[str, str]) -> list[str]:
    """The flags that were given, as they would be typed.

    Args:
        values: parsed flags.
        given: the values of flags that are to have others, by their names.
    """
    texts = [f"--{name}={value}" for name, value in given.items()]
    for name in values:
        flag = values[name]
        if not flag.present or name in given:
            continue
        if isinstance(flag, flags.MultiFlag):
            texts += [f"--{name}={value}" for value in flag.value or ()]
        else:
            texts.append(flag.serialize())
    return texts


def follow(
    server: ActorHandle[Any],
    folder: RunFolder,
    *,
    only_watches: bool,
    on_start: Callable[[Mapping[str, Any]], object],
) -> tuple[RunResult, str | None]:
    """Shows how a run goes until it is over.

    Args:
        server: of the run.
        folder: of the run.
        only_watches: whether a signal, where there is no user to ask, leaves the run running.
        on_start: called with the fields of its experiment when it has begun.

    Returns:
        How it ended, and why its final evaluation failed, if it did.

    Raises:
        LeftRunning: the user leaves it running.
        ExperimentError: it cannot be run.
        RunError: it is gone.
    """
    with signals.caught() as stop, contextlib.ExitStack() as shown:
        view: Progress | None = None
        next_line = asked = 0
        while True:
            news = _ask(server, next_line)
            next_line = news.next_line
            if view is None and news.folder is not None:
                fields = _experiment(server, folder)
                on_start(fields)
                view = shown.enter_context(Progress(RunLimits.from_json(fields)))
            for line in news.lines:
                view.say(line) if view is not None else say(line, sys.stderr)
            if view is not None and news.status is not None:
                view.show(Status.from_json(news.status))
            if news.is_over:
                return _outcome(news)
            if stop.count > asked:
                is_first, num_new, asked = asked == 0, stop.count - asked, stop.count
                if view is not None:
                    # The terminal is the question's.
                    shown.close()
                    view = None
                if is_first and _is_left(only_watches):
                    raise LeftRunning
                say("Stopping." if asked == 1 else "Ending at once.", sys.stderr)
                for _ in range(num_new):
                    server.stop.remote()


def _is_left(only_watches: bool) -> bool:
    """Whether a signal is to leave the run running: asks the user, where there is one."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return only_watches
    say("The run continues in the cluster. Stop it (s), or leave it running (l)?", sys.stderr)
    return not sys.stdin.readline().strip().lower().startswith("s")


def _ask(server: ActorHandle[Any], next_line: int) -> News:
    import ray

    deadline = time.monotonic() + _ANSWER_S
    while True:
        try:
            news: News = ray.get(server.news.remote(next_line, _ASK_S), timeout=_ANSWER_S)
            return news
        except ray.exceptions.ActorUnavailableError as error:
            # It is being started again on another host, or its host is cut off for a moment.
            if time.monotonic() > deadline:
                raise _gone(error) from error
            time.sleep(_ASK_S)
        except ray.exceptions.RayError as error:
            raise _gone(error) from error


def _gone(error: Exception) -> RunError:
    return RunError(
        "The run's supervisor does not answer any more: its host, or the cluster, is gone "
        f"({type(error).__name__})."
    )


def _experiment(server: ActorHandle[Any], folder: RunFolder) -> Mapping[str, Any]:
    """The fields of a run's experiment, wherever its folder is."""
    import ray

    name = folder.experiment.name
    files = ray.get(server.files.remote([name]), timeout=_ANSWER_S)
    with parsing_file(folder.experiment):
        fields: Mapping[str, Any] = json.loads(files[name])["experiment"]
    return fields


def _outcome(news: News) -> tuple[RunResult, str | None]:
    if news.error is not None:
        name, message = news.error
        raise (ExperimentError if name == ExperimentError.__name__ else RunError)(message)
    assert news.outcome is not None
    return RunResult.from_json(news.outcome["result"]), news.outcome["evaluation_error"]
