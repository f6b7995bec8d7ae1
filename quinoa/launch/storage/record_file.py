"""Files that grow by whole records, and outlast a disk that takes nothing for a while."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections import deque
from pathlib import Path

from quinoa.launch.terminal.output import say

# What one file may have waiting in memory while its disk is full: days of rows of metrics.
MAX_PENDING_BYTES = 16 * 2**20

# How much of a file's end is looked through for the end of its last whole line. None is longer.
_TAIL_BYTES = 2**16

# Seconds that one process may keep another from adding to the same file.
_LOCK_S = 0.5


class RecordFile:
    """Appends records to a file, each of them whole or, as yet, not at all.

    `write` takes a record into memory and `flush` writes what is there. What the disk does not take
    (it is full, or fails) stays in memory, `MAX_PENDING_BYTES` of it at most, for the next `flush`;
    a part of a record that was written is taken back. Nothing of this raises.
    """

    def __init__(self, path: Path, *, lines: bool):
        """Touches no file yet.

        Args:
            path: of the file, which may be there.
            lines: whether records end with a line, and only there: then a cut line that some other
                process has left at the end is taken out before anything is added, and several
                processes may add to the file at the same time.
        """
        self.path = path
        self._lines = lines
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._failing_since: float | None = None
        self.num_lost = 0

    @property
    def num_pending(self) -> int:
        """Records that wait to be written."""
        return len(self._pending)

    @property
    def is_failing(self) -> bool:
        """Whether the last `flush` could not write all."""
        return self._failing_since is not None

    def write(self, record: bytes) -> None:
        """Takes a record for the next `flush`; one that finds no room in memory is lost.

        Args:
            record: with its line's end, if the file is one of lines.
        """
        if self._pending_bytes + len(record) > MAX_PENDING_BYTES:
            self.num_lost += 1
            return
        self._pending.append(record)
        self._pending_bytes += len(record)

    def flush(self) -> bool:
        """Writes what waits; returns whether all of it is in the file."""
        if not self._pending:
            return True
        try:
            self._write_pending()
        except OSError as error:
            if self._failing_since is None:
                self._failing_since = time.monotonic()
                say(
                    f"quinoa: note: {self.path} cannot be written ({error.strerror}): make room. "
                    f"Up to {MAX_PENDING_BYTES >> 20} MiB wait in memory until it can.",
                    sys.stderr,
                )
            return False
        if self._failing_since is not None:
            seconds = time.monotonic() - self._failing_since
            self._failing_since = None
            say(
                f"quinoa: note: {self.path} is written again, after {seconds:.0f} s; "
                f"{self.num_lost} records were lost.",
                sys.stderr,
            )
        return True

    def mend(self) -> None:
        """Takes out a cut line at the file's end; does nothing to one that is not there.

        Raises:
            OSError: the file cannot be read or changed.
        """
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            _end_of_lines(descriptor)
        finally:
            os.close(descriptor)

    def _write_pending(self) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self.path, flags, 0o666)
        try:
            _lock(descriptor)
            end = _end_of_lines(descriptor) if self._lines else os.fstat(descriptor).st_size
            data = memoryview(b"".join(self._pending))
            written = 0
            try:
                while written < len(data):
                    written += os.write(descriptor, data[written:])
            finally:
                whole = self._forget(written)
                if whole < written:
                    os.ftruncate(descriptor, end + whole)
        finally:
            os.close(descriptor)

    def _forget(self, num_bytes: int) -> int:
        """Drops the records that these bytes have in full; returns how many bytes those are."""
        whole = 0
        while self._pending and whole + len(self._pending[0]) <= num_bytes:
            whole += len(self._pending.popleft())
        self._pending_bytes -= whole
        return whole


def _lock(descriptor: int) -> None:
    """Waits for whoever else is adding to the file; closing it lets go.

    Not for ever: the other may have been stopped. Lines that are written at the same time come one
    after the other even so; only what is taken back of a cut one could be another's.
    """
    deadline = time.monotonic() + _LOCK_S
    while time.monotonic() < deadline:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(_LOCK_S / 100)
        except OSError:  # A file system without locks.
            return


def _end_of_lines(descriptor: int) -> int:
    """Takes out what follows the last whole line; returns the size that the file has then."""
    size = os.fstat(descriptor).st_size
    start = max(size - _TAIL_BYTES, 0)
    tail = os.pread(descriptor, size - start, start)
    end = start + tail.rfind(b"\n") + 1
    if end < size:
        os.ftruncate(descriptor, end)
    return end
