"""What is said on the terminal, whether or not anybody is still there to read it."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TextIO


def take_any_text() -> None:
    """Has standard output and error replace what their encoding cannot hold, instead of raising.

    One that holds only ASCII has no ±, and none holds the bytes of a file's name that are no text.
    What is lost is a character; an error would lose the result, and end the run that says it.
    """
    for stream in (sys.stdout, sys.stderr):
        # A notebook's are no files, and take all text.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def say(text: str, stream: TextIO | None = None) -> None:
    """Prints a message that whatever is going on does not depend on.

    Args:
        text: the message.
        stream: where to; by default standard output. If its terminal or pipe is gone, the message
            is lost.
    """
    stream = stream or sys.stdout
    try:
        print(text, file=stream, flush=True)
    except OSError:
        abandon(stream)


def abandon(stream: TextIO) -> None:
    """Has all that is still written to a stream, what it has in its buffer too, go nowhere."""
    # One that is no file has no number, and nothing to go wrong at the interpreter's end.
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)


def settle() -> None:
    """Writes what is in buffers; the interpreter's own status for what it cannot write is 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            abandon(stream)
