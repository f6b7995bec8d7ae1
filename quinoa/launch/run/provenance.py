"""What a run was made by: versions, revision, command line and time."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

_PACKAGES = (
    "quinoa",
    "tensorflow",
    "tensorflow-cpu",
    "tensorflow-probability",
    "dm-sonnet",
    "dm-acme",
    "dm-reverb",
    "dm-launchpad-nightly",
    "dm-control",
    "mujoco",
    "gymnasium",
    "numpy",
)

_SOURCES = Path(__file__).parent
# Characters of a diff, and names of files, that are kept.
_MAX_DIFF = 2**20
_MAX_UNTRACKED = 100
# `git status` and `git diff` otherwise take the index's lock, which another git may want, to note
# there which files they have found unchanged.
_ONLY_READS = ("--no-optional-locks", "-c", "diff.autoRefreshIndex=false")


def collect(called_in: Path) -> dict[str, Any]:
    """Everything that tells how a run came about, as JSON values.

    Args:
        called_in: the folder that the program was called in.
    """
    return {
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": _versions(),
        # Of the program, and of the folder it was called in, where agents of the user's own may be.
        "git": git_state(_SOURCES),
        "working_folder": {"path": str(called_in), "git": git_state(called_in)},
    }


def version() -> str:
    """The version of this program that is installed."""
    return importlib.metadata.version("quinoa")


def diffs(called_in: Path) -> str:
    """`git_diff` of the program, and of the folder it was called in, where that is another's."""
    folders = [_SOURCES]
    if _repository(called_in) != _repository(_SOURCES):
        folders.append(called_in)
    return "".join(map(git_diff, folders))


def git_state(folder: Path) -> dict[str, Any] | None:
    """The revision checked out there, and how the files differ from it; None without git.

    Returns:
        `revision`; `dirty`, whether any file differs; `untracked`, the names of the files that git
        does not know and is not told to ignore, the first hundred of them.
    """
    try:
        status = _git(folder, "status", "--porcelain", "--untracked-files=all").splitlines()
        untracked = [line[3:] for line in status if line.startswith("??")]
        return {
            "revision": _git(folder, "rev-parse", "HEAD").strip(),
            "dirty": bool(status),
            "untracked": untracked[:_MAX_UNTRACKED],
        }
    except (OSError, subprocess.SubprocessError):
        return None


def git_diff(folder: Path) -> str:
    """What tracked files differ in from the revision checked out there, as `git apply` takes it.

    Returns:
        Nothing where there is no difference, or no git. A diff of more than a megabyte is cut
        there, and ends with a line that says so.
    """
    try:
        diff = _git(folder, "diff", "HEAD", "--no-color", "--no-ext-diff")
    except (OSError, subprocess.SubprocessError):
        return ""
    if len(diff) > _MAX_DIFF:
        left_out = f"\n... cut here: the whole diff has {len(diff)} characters\n"
        return diff[:_MAX_DIFF] + left_out
    return diff


def _repository(folder: Path) -> str | None:
    """The folder of its repository, None without git."""
    try:
        return _git(folder, "rev-parse", "--show-toplevel").strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *_ONLY_READS, "-C", str(folder), *arguments],
        check=True,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=10,
    ).stdout


def _versions() -> dict[str, str]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
