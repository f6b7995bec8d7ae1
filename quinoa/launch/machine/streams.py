"""Standard output and error: that they take whatever is said, and data alone where those go."""

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
    """Has standard output and error take whatever is said; to be called first in a process.

    What their encoding cannot hold is replaced. One that holds only ASCII has no ±, and none holds
    the bytes of a file's name that are no text. What is lost is a character; an error would lose
    the result, and end the run that says it. One that is closed is opened to go nowhere, or the
    next file that anybody opens would get what is printed.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            # It is open for as long as the process lasts.
            setattr(sys, name, open(number, mode, encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # A notebook's are no files, and take all text.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


@contextlib.contextmanager
def output_for_data() -> Iterator[TextIO]:
    """Keeps standard output for data alone: what else is printed meanwhile goes to standard error.

    That holds for what `print` and `say` are given, and for what libraries written in C and other
    processes write to file descriptor 1.

    Yields:
        A stream for the data. They are written to standard output at the end, unless there is an
        error.

    Raises:
        FatalError: they cannot be written.
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
    """Has what is written to a stream's file descriptor, by whomever, go to standard error."""
    stream.flush()
    with contextlib.ExitStack() as until_the_end:
        with contextlib.suppress(OSError):  # One of the two is no file, as in a notebook.
            number, to = stream.fileno(), sys.stderr.fileno()
            kept = os.dup(number)
            until_the_end.callback(os.close, kept)
            until_the_end.callback(os.dup2, kept, number)
            # What C has in its buffer is to go where it would have gone at once.
            until_the_end.callback(ctypes.CDLL(None).fflush, None)
            os.dup2(to, number)
        yield
