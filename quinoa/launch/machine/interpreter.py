"""Starting other Python processes of this program, whatever lies in the folder they start in."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

# `python -m` would look for our modules in the current folder first, where a file of the user's may
# have one of their names; a script's own folder would come first likewise. So the new process gets
# the search path of this one before it imports anything.
_START = (
    "import sys; sys.path.pop(0); import json, runpy; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


def command(module: str, *arguments: str, folder: Path | None = None) -> list[str]:
    """The command line that runs a module as `python -m` does, with this process's own `sys.path`.

    Args:
        module: its full name.
        arguments: what it finds in `sys.argv[1:]`.
        folder: what relative entries of `sys.path` are relative to; by default, the folder that
            this process is in.
    """
    path = [os.path.normpath((folder or Path.cwd()) / entry) for entry in sys.path]
    return [sys.executable, "-c", _START, json.dumps(path), module, *arguments]
