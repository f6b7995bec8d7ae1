"""Paths for TensorFlow's readers, which take some letters of a path for those of a pattern."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

_OF_PATTERNS = frozenset("*?[\\")


@contextlib.contextmanager
def literal(path: str) -> Iterator[str]:
    r"""Gives a path to the same files in which nothing can be taken for a pattern.

    TensorFlow finds the files of a checkpoint, and the variables of a SavedModel, by a path in
    which `[`, `*`, `?` and `\` have the meaning that they have in a shell. It knows no way of
    escaping them there, as it opens what it has found by the path that it was given. So the folder
    is named by a file descriptor in their place.

    Args:
        path: of a file or a folder, or what several files' names begin with.

    Yields:
        The path to read, within the context and in this process: `path` itself where nothing in
        its folder's name is of a pattern, or where there is no such folder.
    """
    folder, name = os.path.split(path)
    with contextlib.ExitStack() as closing:
        if not _OF_PATTERNS.isdisjoint(folder):
            with contextlib.suppress(OSError):
                descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                closing.callback(os.close, descriptor)
                path = f"/proc/self/fd/{descriptor}/{name}"
        yield path
