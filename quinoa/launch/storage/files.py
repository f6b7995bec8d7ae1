"""Files written whole or not at all, and whether they can be."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

# Of the 255 bytes that a name may have, those that leave room for what is put around it.
_NAME_BYTES = 200


def write_json(path: Path, value: Any) -> None:
    """Writes JSON so that a reader sees the old file or the new one, never a part."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes a text in the same way, its line ends as they are.

    Raises:
        OSError: it cannot be written; the old file is as it was, and nothing lies beside it.
    """
    temporary = beside(path)
    try:
        temporary.write_text(text, encoding="utf-8", newline="")
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def beside(path: Path) -> Path:
    """Where to write what is renamed to `path` once it is whole; its name is not too long."""
    # Of a long name, what leaves room for the rest; file systems count bytes.
    name = os.fsdecode(os.fsencode(path.name)[:_NAME_BYTES])
    return path.with_name(f".{name}.{os.getpid()}.tmp")


def require_possible(path: Path) -> None:
    """Finds out whether a file or folder could be written here, without writing anything.

    To be asked before work whose result goes there. Folders that are missing could be made.

    Raises:
        OSError: it could not: a name is too long, or no folder is there that can be written to.
    """
    path = path.absolute()
    there = path.parent
    while not _exists(there):
        there = there.parent
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(there))
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(there))
    longest = max((len(os.fsencode(part)) for part in path.relative_to(there).parts), default=0)
    # The whole path leaves room for the names of files in a folder.
    if (
        longest > os.pathconf(there, "PC_NAME_MAX")
        or len(os.fsencode(path)) > os.pathconf(there, "PC_PATH_MAX") - _NAME_BYTES
    ):
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(path))


def _exists(path: Path) -> bool:
    """Whether something is there; nothing can be where a name is too long."""
    try:
        return path.exists()
    except OSError:
        return False


def read_json(path: Path) -> Any:
    """Reads JSON.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds something else.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError(f"{path.name} is nested too deep") from error
