"""The flags of a sweep's runs: paths that hold in any folder, and a place of its own for each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from quinoa import paths, user_modules
from quinoa.launch.experiment.stored_names import demonstrations_path
from quinoa.launch.sweep.sweep_folder import PlannedRun
from quinoa.launch.watch import folder_copy

_COPY_TO = "copy_to"


def _absolute_place(name: str) -> str:
    return name if folder_copy.is_url(name) else paths.absolute(name)


# By the flags of train that name files and folders: what makes their paths absolute.
_ABSOLUTE: Mapping[str, Callable[[str], str]] = {
    "agent": user_modules.absolute,
    "env": user_modules.absolute,
    "demonstrations": demonstrations_path,
    "init_from": paths.absolute,
    _COPY_TO: _absolute_place,
}


def completed(run: PlannedRun) -> PlannedRun:
    """A planned run whose flags mean the same in any folder, and that is copied where no other is.

    Args:
        run: as it is planned, with its flags as they were typed in the current folder.
    """
    return dataclasses.replace(
        run, arguments=tuple(_completed(text, run.name) for text in run.arguments)
    )


def _completed(argument: str, run: str) -> str:
    name, equals, value = argument.partition("=")
    flag = name.removeprefix("--")
    if value and flag in _ABSOLUTE:
        value = _ABSOLUTE[flag](value)
        if flag == _COPY_TO:
            value = f"{value.rstrip('/')}/{run}"
    return f"{name}{equals}{value}"


def check_copy(run: PlannedRun) -> None:
    """Finds out whether a copy of a run can be kept where it is to be, if anywhere.

    Raises:
        ExperimentError: it cannot; the message says what to do.
    """
    flag = f"--{_COPY_TO}="
    for text in run.arguments:
        if text.startswith(flag):
            folder_copy.check(text.removeprefix(flag))
