"""Appends whole records to a file; what cannot be written, on a full disk, is retried later."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections import deque
from pathlib import Path

from quinoa.launch.terminal.output import say

# How much waits in memory at most while the disk is full: days of rows of metrics.
MAX_PENDING_BYTES = 16 * 2**20

# How much of a file's end is searched for the last line break; no line is longer.
_TAIL_BYTES = 2**16

# Seconds that a process waits for another that has locked the file.
_LOCK_S = 0.5


class RecordFile:
    """Appends records to a file, each of them whole.

    `write` buffers a record in memory and `flush` writes the buffer to the file. If that fails (the
    disk is full, say), what has not been written stays in the buffer, up to `MAX_PENDING_BYTES`,
    for the next `flush`, and a partly written record is cut off the file. Neither method raises.
    """

    def __init__(self, path: Path, *, lines: bool):
        """Does not open the file yet.

        Args:
            path: the file, which may exist.
            lines: whether each record is one line. If so, an incomplete line at the end of the
                file, left by a process that was killed, is cut off before a record is appended, and
                several processes may append at the same time.
        """
        self.path = path
        self._lines = lines
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._failing_since: float | None = None
        self.num_lost = 0

    @property
    def num_pending(self) -> int:
        """How many records are in the buffer."""
        return len(self._pending)

    @property
    def is_failing(self) -> bool:
        """Whether the last `flush` failed."""
        return self._failing_since is not None

    def write(self, record: bytes) -> None:
        """Buffers a record for the next `flush`; it is lost if the buffer is full.

        Args:
            record: the record, with its line break if `lines`.
        """
        if self._pending_bytes + len(record) > MAX_PENDING_BYTES:
            self.num_lost += 1
            return
        self._pending.append(record)
        self._pending_bytes += len(record)

    def flush(self) -> bool:
        """Writes the buffer to the file; returns whether all of it was written."""
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

    def repair(self) -> None:
        """Cuts off an incomplete line at the end of the file, if the file exists.

        Raises:
            OSError: the file cannot be read or changed.
        """
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            _cut_incomplete_line(descriptor)
        finally:
            os.close(descriptor)

    def _write_pending(self) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self.path, flags, 0o666)
        try:
            _lock(descriptor)
            end = _cut_incomplete_line(descriptor) if self._lines else os.fstat(descriptor).st_size
            data = memoryview(b"".join(self._pending))
            written = 0
            try:
                while written < len(data):
                    written += os.write(descriptor, data[written:])
            finally:
                whole = self._drop(written)
                if whole < written:
                    os.ftruncate(descriptor, end + whole)
        finally:
            os.close(descriptor)

    def _drop(self, num_bytes: int) -> int:
        """Drops the records that lie whole in the first bytes of the buffer; returns their size."""
        whole = 0
        while self._pending and whole + len(self._pending[0]) <= num_bytes:
            whole += len(self._pending.popleft())
        self._pending_bytes -= whole
        return whole


def _lock(descriptor: int) -> None:
    """Locks the file until it is closed, or gives up after `_LOCK_S`.

    It gives up since the process with the lock may be suspended. Without the lock, lines that are
    appended at the same time still do not mix (O_APPEND); only cutting off an incomplete line might
    cut another process's.
    """
    deadline = time.monotonic() + _LOCK_S
    while time.monotonic() < deadline:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(_LOCK_S / 100)
        except OSError:  # The file system has no locks.
            return


def _cut_incomplete_line(descriptor: int) -> int:
    """Cuts off what follows the last line break; returns the resulting size of the file."""
    size = os.fstat(descriptor).st_size
    start = max(size - _TAIL_BYTES, 0)
    tail = os.pread(descriptor, size - start, start)
    end = start + tail.rfind(b"\n") + 1
    if end < size:
        os.ftruncate(descriptor, end)
    return end
