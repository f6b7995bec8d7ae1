"""What `ps` shows as the command line of this process."""

from __future__ import annotations

import ctypes
from pathlib import Path


def rewrite(title: str) -> None:
    """Writes another command line over this process's own, in its memory, as PostgreSQL does.

    The kernel shows what lies there to all who ask. What is longer than the command line that the
    process was started with is cut off at its end.

    Args:
        title: the new command line, with spaces between its arguments.

    Raises:
        OSError: the kernel does not say where the command line lies.
    """
    # After the name, which is in parentheses and may hold anything; see proc(5), `arg_start`.
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    size = end - start
    if size < 2:
        raise OSError("This process has no command line.")
    text = title.encode("utf-8", "surrogateescape").replace(b"\0", b" ")[: size - 2]
    # Where the last byte is not zero, the kernel shows what comes before the first zero.
    ctypes.memmove(start, text + bytes(size - 1 - len(text)) + b".", size)
