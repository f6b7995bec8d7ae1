"""Signals that ask a run to end."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """Counts how often the run has been asked to end."""

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self.count = 0

    def __call__(self, signal_number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        del signal_number, frame
        self.count += 1


@contextlib.contextmanager
def caught() -> Iterator[StopSignals]:
    """Has signals counted instead of obeyed, in the main thread."""
    signals = StopSignals()
    before = {number: signal.signal(number, signals) for number in _SIGNALS}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
