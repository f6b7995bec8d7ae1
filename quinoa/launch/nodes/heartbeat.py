"""Signs of life of a process: a number in memory that it shares with the process that started it.

The process increments the number whenever it makes progress, or waits for something that may take
its time. A beat costs a tenth of a microsecond, needs no room on a disk and leaves no file behind.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable

_SIZE = 8

# The number that this process increments; None where no other process reads it.
_count: memoryview | None = None


class Heartbeat:
    """The number of one process, as the process that started it reads it."""

    def __init__(self) -> None:
        """Allocates the number, which is 0.

        Raises:
            OSError: there is no memory, or no file descriptor, to be had.
        """
        self.descriptor = os.memfd_create("heartbeat", os.MFD_CLOEXEC)
        try:
            os.ftruncate(self.descriptor, _SIZE)
            self._memory = mmap.mmap(self.descriptor, _SIZE)
        except BaseException:
            os.close(self.descriptor)
            raise

    @property
    def count(self) -> int:
        """How many signs of life there have been; any change is one."""
        return int.from_bytes(self._memory[:], "little")

    def close(self) -> None:
        """Frees the memory; `count` cannot be read any more."""
        self._memory.close()
        os.close(self.descriptor)


def attach(descriptor: int) -> None:
    """Has `beat` of this process increment the number of a `Heartbeat`, and closes the descriptor.

    Args:
        descriptor: `Heartbeat.descriptor` of the process that started this one, inherited.

    Raises:
        OSError: it is not such a descriptor.
    """
    global _count
    _count = memoryview(mmap.mmap(descriptor, _SIZE)).cast("Q")
    os.close(descriptor)


def beat() -> None:
    """Gives a sign of life, from any thread; does nothing where no other process reads it."""
    if _count is not None:
        _count[0] += 1


def beating(ask: Callable[[], bool]) -> Callable[[], bool]:
    """The same function, which also gives a sign of life at each call.

    Args:
        ask: such as `should_stop`, which every loop that waits for something calls.
    """

    def ask_and_beat() -> bool:
        beat()
        return ask()

    return ask_and_beat
