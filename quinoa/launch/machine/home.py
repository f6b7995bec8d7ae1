"""Gives a process without a home folder and a user name both."""

from __future__ import annotations

import atexit
import contextlib
import os
import pwd
from collections.abc import MutableMapping

from quinoa.launch.machine import temporary_folder

# The variables in which Python looks for the user's name.
_NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")


def ensure(variables: MutableMapping[str, str]) -> None:
    """Sets HOME and USER if neither the variables nor the system's user database has them.

    That is so in a container that runs under a numeric user id. Libraries with a cache or settings
    in the home folder, such as matplotlib, would raise. The folder is private to this process and
    its children, and is removed when this process ends.

    Args:
        variables: the environment variables to change.

    Raises:
        ExperimentError: the folder cannot be created.
    """
    with contextlib.suppress(KeyError):
        pwd.getpwuid(os.getuid())
        return
    if not variables.get("HOME"):
        at_exit = contextlib.ExitStack()
        variables["HOME"] = at_exit.enter_context(temporary_folder.create())
        atexit.register(at_exit.close)
    if not any(variables.get(name) for name in _NAMES):
        variables["USER"] = str(os.getuid())
