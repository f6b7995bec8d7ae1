"""A clock that stands still while this process is stopped or the machine sleeps."""

from __future__ import annotations

import time

# The most seconds that count from one look to the next. In a longer gap this process was stopped,
# or the machine slept, and the processes that it supervises could give no signs of life either.
MAX_GAP_S = 2.0


class AwakeClock:
    """Counts seconds, of each gap between two looks `MAX_GAP_S` at most.

    It uses the kernel's monotonic clock, which does not change when the time of day is set.
    """

    def __init__(self) -> None:
        """Starts at 0."""
        self._seconds = 0.0
        self._last = time.monotonic()

    def look(self) -> float:
        """The seconds so far; to be called more often than every `MAX_GAP_S`."""
        now = time.monotonic()
        self._seconds += min(now - self._last, MAX_GAP_S)
        self._last = now
        return self._seconds
