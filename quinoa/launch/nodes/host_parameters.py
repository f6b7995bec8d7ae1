"""The learner's parameters, fetched once for all processes of a host, in memory that they share.

All actors of a host need the same parameters. What one of them has fetched it puts into the shared
memory, and asks the learner when nobody on the host has for one period. None of them is special:
where the one that asks dies, the kernel unlocks the memory for the next one.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
import zlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from quinoa.launch.nodes.peers import GetParameters

# Seconds that an answer of the learner may be late before it counts as silent.
_LATE_S = 5.0
# Seconds after which a question has no answer because the process that asked hangs: a call fails
# before (`peers.CALL_TIMEOUT_S`).
_HANGING_S = 30.0
_TRIES = 5
# The two places for parameters begin there, at a page.
_OFFSET = 4096

# The memory that this process shares with those of its host; None where it shares none.
_shared: int | None = None


class SharedMemory:
    """The memory for a host's processes, as the process that starts them has it."""

    def __init__(self) -> None:
        """Allocates it.

        Raises:
            OSError: there is no memory, or no file descriptor, to be had.
        """
        self.descriptor = os.memfd_create("parameters", os.MFD_CLOEXEC)

    def close(self) -> None:
        """Frees it, as soon as no process has it."""
        os.close(self.descriptor)


def attach(descriptor: int) -> None:
    """Has `for_all_of_the_host` of this process share a `SharedMemory`, which is inherited."""
    global _shared
    _shared = descriptor


def for_all_of_the_host(get: GetParameters, *, period_s: float) -> GetParameters:
    """The same function, which asks for all processes of this host; by itself where it is alone.

    Args:
        get: asks the learner.
        period_s: seconds from one question of the host to the next.

    Raises:
        OSError: the memory cannot be opened.
    """
    return get if _shared is None else HostParameters(get, _shared, period_s=period_s)


class _Header(NamedTuple):
    """What begins the memory.

    Attributes:
        number: of the parameters, which grows with each that are written; 0 for none.
        asked_at: when a process asked the learner last, in seconds of the monotonic clock, which
            is the same for all processes of a host.
        answered_at: when the learner answered last, or the first question was asked.
        version: of the parameters.
        size: P, their number, which stays the same.
    """

    number: int = 0
    asked_at: float = 0.0
    answered_at: float = 0.0
    version: int = -1
    size: int = 0

    @property
    def offset(self) -> int:
        """Where the parameters are: those before them stay whole while they are written."""
        return _OFFSET + self.number % 2 * 4 * self.size


_FORMAT = struct.Struct("<QddqQ")
_SUM = struct.Struct("<I")


class HostParameters:
    """Asks the learner for new parameters once a period, whichever process of the host asks it.

    Parameters are thus at most one period older than if every process asked. For one thread of
    each process.
    """

    def __init__(self, get: GetParameters, descriptor: int, *, period_s: float):
        """Asks nothing yet.

        Args:
            get: asks the learner.
            descriptor: `SharedMemory.descriptor`.
            period_s: seconds from one question of the host to the next.

        Raises:
            OSError: the memory cannot be opened.
        """
        self._get = get
        self._period_s = period_s
        # Opened anew, for a lock belongs to what was opened, which inherited descriptors share.
        self._file = os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR | os.O_CLOEXEC)

    def __call__(self, known_version: int) -> tuple[int, npt.NDArray[np.float32]] | None:
        """See `LearnerNode.get_parameters`.

        Raises:
            ConnectionError: no process of the host has had an answer of the learner for some time.
            Exception: whatever asking the learner raises.
        """
        header = self._header()
        # The learner may keep a question waiting until there are newer ones than all of these.
        if (newest := self._newest(header, known_version)) is not None:
            return newest
        if self._is_due(header):
            if not self._lock():
                if time.monotonic() - header.asked_at > _HANGING_S:
                    return self._get(known_version)
            else:
                try:
                    header = self._header()
                    # Another process may have asked in between.
                    if self._is_due(header) and self._newest(header, known_version) is None:
                        header = self._ask(header)
                finally:
                    fcntl.flock(self._file, fcntl.LOCK_UN)
        silent_s = time.monotonic() - header.answered_at
        if header.answered_at and silent_s > self._period_s + _LATE_S:
            raise ConnectionError(f"the learner has not answered this host for {silent_s:.0f} s")
        return self._newest(header, known_version)

    def _is_due(self, header: _Header) -> bool:
        return time.monotonic() - header.asked_at >= self._period_s

    def _lock(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _ask(self, header: _Header) -> _Header:
        """Asks the learner, and writes what it answers; the memory is locked."""
        now = time.monotonic()
        header = header._replace(asked_at=now, answered_at=header.answered_at or now)
        self._write(header)
        newest = self._get(header.version)
        header = header._replace(answered_at=time.monotonic())
        if newest is not None:
            version, parameters = newest
            data = np.ascontiguousarray(parameters, np.float32)
            header = header._replace(number=header.number + 1, version=version, size=data.size)
            _write_all(self._file, data.data.cast("B"), header.offset)
        self._write(header)
        return header

    def _newest(
        self, header: _Header, known_version: int
    ) -> tuple[int, npt.NDArray[np.float32]] | None:
        """The parameters of a header, or newer ones; None if they are of a known version."""
        for _ in range(_TRIES):
            if not header.number or header.version == known_version:
                return None
            parameters = np.empty(header.size, np.float32)
            length = os.preadv(self._file, [parameters.data.cast("B")], header.offset)
            before, header = header, self._header()
            if header.number == before.number and length == parameters.nbytes:
                return before.version, parameters
        # They change faster than they can be read; the next call tries again.
        return None

    def _header(self) -> _Header:
        """What is written now; nothing, where nothing is."""
        for _ in range(_TRIES):
            data = os.pread(self._file, _FORMAT.size + _SUM.size, 0)
            if len(data) == _FORMAT.size + _SUM.size:
                fields = data[: _FORMAT.size]
                if _SUM.unpack(data[_FORMAT.size :]) == (zlib.crc32(fields),):
                    return _Header(*_FORMAT.unpack(fields))
        return _Header()

    def _write(self, header: _Header) -> None:
        fields = _FORMAT.pack(*header)
        os.pwrite(self._file, fields + _SUM.pack(zlib.crc32(fields)), 0)


def _write_all(file: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(file, data, offset)
        data, offset = data[written:], offset + written
