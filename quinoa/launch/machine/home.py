"""A home folder and a user's name for a process that has neither."""

from __future__ import annotations

import atexit
import contextlib
import os
import pwd
from collections.abc import MutableMapping

from quinoa.launch.machine import temporary_folder

# Where Python looks for the user's name.
_NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")


def ensure(variables: MutableMapping[str, str]) -> None:
    """Sets HOME and USER where neither the variables nor the system's list of users has them.

    So it is in a container that runs as a number. Libraries that keep a cache or settings at home
    (matplotlib does) then raise. The folder is private to this process and those that it starts,
    and is gone with it.

    Args:
        variables: of this process and those that it starts.

    Raises:
        ExperimentError: no folder can be made.
    """
    with contextlib.suppress(KeyError):
        pwd.getpwuid(os.getuid())
        return
    if not variables.get("HOME"):
        until_the_end = contextlib.ExitStack()
        variables["HOME"] = until_the_end.enter_context(temporary_folder.made())
        atexit.register(until_the_end.close)
    if not any(variables.get(name) for name in _NAMES):
        variables["USER"] = str(os.getuid())
