"""The time that this process has been awake to see pass."""

from __future__ import annotations

import time

# Seconds from one look to the next that count in full. What is longer was not this process's own:
# it was stopped, or the machine slept, and so did the processes that it watches over.
MAX_GAP_S = 2.0


class AwakeClock:
    """Seconds, of which a gap between two looks counts `MAX_GAP_S` at most.

    Goes by the kernel's monotonic clock: one who sets the time of day does it no harm.
    """

    def __init__(self) -> None:
        """Starts at 0."""
        self._seconds = 0.0
        self._last = time.monotonic()

    def look(self) -> float:
        """The seconds so far; to be asked more often than every `MAX_GAP_S`."""
        now = time.monotonic()
        self._seconds += min(now - self._last, MAX_GAP_S)
        self._last = now
        return self._seconds
