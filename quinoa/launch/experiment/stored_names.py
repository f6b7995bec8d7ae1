"""The names that a run stores: those that still mean the same elsewhere and later."""

from __future__ import annotations

import re

from quinoa import paths
from quinoa.launch.errors import ExperimentError

# The beginning of a name that is none of a file, such as `run:RUN`.
_KIND = re.compile(r"[a-z_]+:")


def agent_path(name: str) -> str:
    """The import path of an agent that an installed package declares by a name.

    A run stores this, so that it can be loaded when the declaration is gone. Any other name is
    returned unchanged.

    Raises:
        ExperimentError: several packages declare the name.
    """
    from quinoa.agents import registry

    try:
        return registry.import_path(name)
    except registry.UnknownAgentError as error:
        raise ExperimentError(str(error)) from error


def demonstrations_path(name: str) -> str:
    """The name of demonstrations with the absolute path of their file or folder, if they have one.

    What a name means is the agent's matter: `check_dataset` is for agents with actors.
    """
    from quinoa.demonstrations import names

    if not _KIND.match(name):
        return paths.absolute(name)
    try:
        return names.absolute(name)
    except names.DatasetError:
        return name


def check_dataset(name: str) -> None:
    """Raises `ExperimentError` where it is the name of no kind of dataset of episodes."""
    from quinoa.demonstrations import names

    try:
        names.absolute(name)
    except names.DatasetError as error:
        raise ExperimentError(f"--demonstrations: {error}") from error


def environment_path(name: str) -> str:
    """The import path of an environment that an installed package declares; see `agent_path`."""
    from quinoa import environments

    try:
        return environments.import_path(name)
    except environments.InvalidEnvironmentError as error:
        raise ExperimentError(str(error)) from error
