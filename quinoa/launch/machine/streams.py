"""Makes standard output and error accept any text, and reserves standard output for data."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from quinoa.launch.errors import FatalError
from quinoa.launch.terminal.output import abandon


def prepare() -> None:
    """Makes standard output and error accept any text; to be called first in a process.

    Characters that a stream's encoding lacks are replaced: ASCII has no ±, and no encoding has the
    bytes of a file name that are not valid text. Only a character is lost; an error would lose the
    result, or end the run that prints it. A closed stream is opened on /dev/null, since otherwise
    the next file to be opened would get its descriptor and what is printed.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            # Stays open until the process ends.
            setattr(sys, name, open(number, mode, encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # A notebook's streams are not files, and accept any text.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


# The value of a flag for a data file that stands for standard output.
STANDARD_OUTPUT = "-"


@contextlib.contextmanager
def data_stream(file: str | None) -> Iterator[TextIO | None]:
    """Yields the stream for a command's data if it goes to standard output, else None.

    See `output_for_data`.

    Args:
        file: the flag's value: a file, `STANDARD_OUTPUT`, or None without data.
    """
    if file != STANDARD_OUTPUT:
        yield None
        return
    with output_for_data() as data:
        yield data


@contextlib.contextmanager
def output_for_data() -> Iterator[TextIO]:
    """Reserves standard output for data; everything else that is printed goes to standard error.

    That holds for `print` and `say`, and for what C libraries and child processes write to file
    descriptor 1.

    Yields:
        A stream for the data, which is written to standard output at the end of the context,
        unless an error is raised.

    Raises:
        FatalError: the data cannot be written.
    """
    out, data = sys.stdout, io.StringIO()
    with _descriptor_to_standard_error(out), contextlib.redirect_stdout(sys.stderr):
        yield data
    try:
        out.write(data.getvalue())
        out.flush()
    except OSError as error:
        abandon(out)
        raise FatalError(
            f"The result cannot be written to standard output: {error.strerror}."
        ) from error


@contextlib.contextmanager
def _descriptor_to_standard_error(stream: TextIO) -> Iterator[None]:
    """Redirects a stream's descriptor to standard error, for C code and child processes too."""
    stream.flush()
    with contextlib.ExitStack() as restoring:
        with contextlib.suppress(OSError):  # A stream is not a file, as in a notebook.
            number, to = stream.fileno(), sys.stderr.fileno()
            kept = os.dup(number)
            restoring.callback(os.close, kept)
            restoring.callback(os.dup2, kept, number)
            # C's buffer is flushed before the descriptor is restored.
            restoring.callback(ctypes.CDLL(None).fflush, None)
            os.dup2(to, number)
        yield
