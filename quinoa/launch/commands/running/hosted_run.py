"""A run in a process of its own, for Python programs that train: `quinoa.train`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from absl import flags

from quinoa import paths
from quinoa.launch.commands.base import UsageError
from quinoa.launch.commands.options import train_flags
from quinoa.launch.errors import ExperimentError
from quinoa.launch.machine import lean_imports
from quinoa.launch.machine.child_process import Channel
from quinoa.launch.run.status import Status

if TYPE_CHECKING:
    from quinoa.environments.source import EnvironmentSource

# The kinds of messages: the run has started, with its folder; and its status, often.
STARTED, STATUS = "started", "status"


def run(
    channel: Channel, texts: Sequence[str], environment: EnvironmentSource | None
) -> Mapping[str, Any]:
    """Does what `quinoa train` does with these flags.

    Args:
        channel: takes messages on how the run goes.
        texts: flags as they would be typed.
        environment: the environment that the user has given, instead of `--env`.

    Returns:
        `result`, as `RunResult.to_json` gives it, and `evaluation_error`, None where there is none.

    Raises:
        ExperimentError: the experiment cannot be run.
        RunError: the run to resume is damaged.
    """
    # What imports TensorFlow, if anything does in this process, is not to import it whole.
    lean_imports.install()
    from quinoa.launch.commands.running import one_run

    values = parsed(texts)
    try:
        _, summary = one_run.run(
            values,
            channel.inherited,
            environment=environment,
            on_start=lambda folder, _: channel.send(STARTED, str(folder.root)),
            view=_View(channel),
        )
    except UsageError as error:
        raise ExperimentError(str(error)) from error
    return {
        "result": summary.result.to_json(),
        "evaluation_error": summary.evaluation_error,
    }


def parsed(texts: Sequence[str]) -> flags.FlagValues:
    """Parses flags of `quinoa train`.

    Raises:
        ExperimentError: a flag is unknown, or its value cannot work.
    """
    values = train_flags.define()
    try:
        values(["quinoa train", *paths.with_home(texts)])
    except flags.Error as error:
        raise ExperimentError(str(error)) from error
    return values


class _View:
    """Sends the status of the run to the program that started it."""

    def __init__(self, channel: Channel):
        self._channel = channel

    def __enter__(self) -> _View:
        return self

    def __exit__(self, *error: object) -> None:
        del error

    def show(self, status: Status) -> None:
        self._channel.offer(STATUS, status.to_json())

    def say(self, text: str) -> None:
        """Does nothing: the program that stops the run tells its user so."""
