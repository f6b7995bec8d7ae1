"""Writes files atomically, and checks beforehand that they can be written."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# The bytes of a name that are kept in a temporary name, which has a prefix and a suffix besides;
# file systems allow 255 in all.
_NAME_BYTES = 200


def write_json(path: Path, value: Any) -> None:
    """Writes JSON atomically: a reader sees the old file or the new one, never a part."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes a text atomically, without translating its line ends.

    Raises:
        OSError: the file cannot be written; the old one is unchanged and no temporary file is left.
    """
    temporary = temporary_path(path)
    try:
        temporary.write_text(text, encoding="utf-8", newline="")
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def temporary_path(path: Path) -> Path:
    """A path in the same folder, to write to before it is renamed to `path`."""
    return path.with_name(f"{_prefix(path)}.{os.getpid()}.tmp")


def _prefix(path: Path) -> str:
    # File systems limit the bytes of a name, not its letters.
    return f".{os.fsdecode(os.fsencode(path.name)[:_NAME_BYTES])}"


def is_partial_of(path: Path, finals: Iterable[Path]) -> bool:
    """Whether a file is one of these as any process has partly written it; see `temporary_path`."""
    of_which = re.sub(r"\.\d+\.tmp$", "", path.name)
    return of_which != path.name and of_which in {_prefix(final) for final in finals}


def require_writable(path: Path) -> None:
    """Checks that a file or folder could be created at a path, without creating anything.

    Meant to be called before long work whose result goes there. Parent folders may be missing.

    Raises:
        OSError: a name is too long, or the nearest existing parent is not a writable folder.
    """
    path = path.absolute()
    parent = path.parent
    while not _exists(parent):
        parent = parent.parent
    if not parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(parent))
    if not os.access(parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(parent))
    longest = max((len(os.fsencode(part)) for part in path.relative_to(parent).parts), default=0)
    # If a folder is made at the path, the paths of its files must not be too long either.
    if (
        longest > os.pathconf(parent, "PC_NAME_MAX")
        or len(os.fsencode(path)) > os.pathconf(parent, "PC_PATH_MAX") - _NAME_BYTES
    ):
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(path))


def _exists(path: Path) -> bool:
    """Whether a path exists; one with too long a name, which raises, cannot."""
    try:
        return path.exists()
    except OSError:
        return False


def read_json(path: Path) -> Any:
    """Reads JSON.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError(f"{path.name} is nested too deep") from error
