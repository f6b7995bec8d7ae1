"""JSON files that other versions of this program may have written: read with one error each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from quinoa.launch.errors import RunError
from quinoa.launch.storage.files import read_json

# What code raises that takes a value for what it is not: a missing field, a text for a number.
_MISFITS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


@contextlib.contextmanager
def parsing_file(path: Path) -> Iterator[None]:
    """Gives one error for whatever goes wrong in the context because of what a file holds.

    Args:
        path: of the file, which the error names.

    Raises:
        RunError: the file cannot be read, is damaged, or was written by another version.
    """
    try:
        yield
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror}).") from error
    except _MISFITS as error:
        raise RunError(
            f"{path} is damaged, or of another version ({type(error).__name__}: {error})."
        ) from error


def read_object(path: Path) -> dict[str, Any] | None:
    """Reads a JSON object.

    Returns:
        Its fields; None where there is no file.

    Raises:
        RunError: the file cannot be read, or holds something else.
    """
    with parsing_file(path):
        try:
            return dict(read_json(path))
        except FileNotFoundError:
            return None
