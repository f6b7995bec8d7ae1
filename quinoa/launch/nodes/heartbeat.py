"""A process's sign of life: a number in memory that it shares with whoever watches over it.

The number goes up wherever the process gets on, or waits for what it may wait for. Memory rather
than a file: a beat costs a tenth of a microsecond, needs no room on a disk and leaves nothing.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable

_SIZE = 8

# What this process beats on; nothing where nobody watches.
_count: memoryview | None = None


class Heartbeat:
    """The watcher's side of one process's heart."""

    def __init__(self) -> None:
        """Makes it, at 0.

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
        """How often it has beaten; another number than before is a sign of life."""
        return int.from_bytes(self._memory[:], "little")

    def close(self) -> None:
        """Gives the memory back; there is nothing to read any more."""
        self._memory.close()
        os.close(self.descriptor)


def attach(descriptor: int) -> None:
    """Has this process beat on what it has inherited as this file descriptor, and closes that.

    Args:
        descriptor: `Heartbeat.descriptor` in the process that started this one.

    Raises:
        OSError: it is no such thing.
    """
    global _count
    _count = memoryview(mmap.mmap(descriptor, _SIZE)).cast("Q")
    os.close(descriptor)


def beat() -> None:
    """Gives a sign of life, from whichever thread; does nothing where nobody watches."""
    if _count is not None:
        _count[0] += 1


def beating(ask: Callable[[], bool]) -> Callable[[], bool]:
    """The same question, and a sign of life whenever it is asked.

    Args:
        ask: such as `should_stop`, which every loop asks that waits for something.
    """

    def ask_and_beat() -> bool:
        beat()
        return ask()

    return ask_and_beat
