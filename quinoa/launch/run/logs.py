"""What the processes of a run have printed, as the files of its folder have it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from quinoa.launch.errors import RunError
from quinoa.launch.run.run_folder import RunFolder
from quinoa.suggestions import did_you_mean

# Bytes of a line, on average at most: so much of a file's end is read for each line.
_LINE_BYTES = 400


def tails(folder: RunFolder, lines: int) -> dict[str, str]:
    """The last lines of the log of each process, by the process's name; empty where there are none.

    Args:
        folder: of the run.
        lines: of each log.
    """
    return {path.stem: tail(path, lines) for path in sorted(folder.logs.glob("*.log"))}


def tail(path: Path, lines: int) -> str:
    """The last lines of a file; nothing where it cannot be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - lines * _LINE_BYTES, 0))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def chosen(found: Mapping[str, str], names: Sequence[str]) -> Mapping[str, str]:
    """The logs of some processes, or of all where none is named.

    Args:
        found: logs by the names of their processes.
        names: those that are wanted.

    Raises:
        RunError: there is no log of one of them, or none at all.
    """
    if not found:
        raise RunError("There are no logs yet.")
    for name in names:
        if name not in found:
            raise RunError(f"There is no log of {name!r}.{did_you_mean(name, found)}")
    return {name: found[name] for name in names or found}
