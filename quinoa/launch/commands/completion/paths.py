"""Completes the paths of files, folders, runs and sweeps."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.sweep.sweep_folder import SweepFolder

# The default folder of runs.
_RUNS = "runs/"


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's."""
    return RunFolder(folder).experiment.is_file()


def is_sweep(folder: Path) -> bool:
    """Whether a folder is a sweep's."""
    return SweepFolder(folder).description.is_file()


def files(typed: str, endings: Sequence[str] = ("",)) -> list[str]:
    """Lists files with these endings, and folders, which end in a slash."""
    return [
        path
        for path, entry in _entries(typed)
        if path.endswith("/") or entry.name.endswith(tuple(endings))
    ]


def folders(typed: str) -> list[str]:
    """Lists folders, which end in a slash."""
    return [path for path, _ in _entries(typed) if path.endswith("/")]


def folders_of(typed: str, kinds: Sequence[Callable[[Path], bool]]) -> list[str]:
    """Lists runs or sweeps, without a slash, and other folders, which may contain some.

    If nothing is typed, it lists those in `runs/` too.
    """
    parent = typed[: typed.rfind("/") + 1]
    if parent and is_run(Path(os.path.expanduser(parent))):
        # The folders in a run are not runs.
        return []
    found = []
    for path, entry in _entries(typed):
        if path.endswith("/"):
            is_one = any(is_kind(Path(entry.path)) for is_kind in kinds)
            found.append(path.rstrip("/") if is_one else path)
    if not typed:
        found += [path for path in folders_of(_RUNS, kinds) if not path.endswith("/")]
    return found


def _entries(typed: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """The files and folders whose paths begin with what is typed."""
    slash = typed.rfind("/") + 1
    parent, part = typed[:slash], typed[slash:]
    try:
        entries = sorted(
            os.scandir(os.path.expanduser(parent) or "."), key=lambda entry: entry.name
        )
    except OSError:
        # The folder does not exist or cannot be read, so nothing can be completed.
        return
    for entry in entries:
        is_hidden = entry.name.startswith(".") and not part.startswith(".")
        # A name with a line break or another control character cannot be a candidate.
        if entry.name.startswith(part) and entry.name.isprintable() and not is_hidden:
            yield f"{parent}{entry.name}{'/' if entry.is_dir() else ''}", entry
