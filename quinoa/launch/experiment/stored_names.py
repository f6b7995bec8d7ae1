"""The names that a run stores: those that still mean the same elsewhere and later."""

from __future__ import annotations

from quinoa.launch.errors import ExperimentError


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
    """The name of a dataset with its folder's absolute path, if it is one of a folder.

    Raises:
        ExperimentError: it is the name of no kind of dataset.
    """
    from quinoa.demonstrations import names

    try:
        return names.absolute(name)
    except names.DatasetError as error:
        raise ExperimentError(f"--demonstrations: {error}") from error


def environment_path(name: str) -> str:
    """The import path of an environment that an installed package declares; see `agent_path`."""
    from quinoa import environments

    try:
        return environments.import_path(name)
    except environments.InvalidEnvironmentError as error:
        raise ExperimentError(str(error)) from error
