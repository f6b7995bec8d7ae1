"""Starts other Python processes with the search path of this one."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

# `python -m` would search the current folder first, where a user's file may have the name of one of
# our modules, and a script would search its own folder first. So the new process gets this one's
# search path before it imports anything.
_START = (
    "import sys; sys.path.pop(0); import json, runpy; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


def command(module: str, *arguments: str, folder: Path | None = None) -> list[str]:
    """A command line that runs a module as `python -m` does, but with this process's `sys.path`.

    Args:
        module: the module's full name.
        arguments: its `sys.argv[1:]`.
        folder: what relative entries of `sys.path` are relative to; by default the current folder.
    """
    path = [os.path.normpath((folder or Path.cwd()) / entry) for entry in sys.path]
    return [sys.executable, "-c", _START, json.dumps(path), module, *arguments]
