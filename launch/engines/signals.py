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
    """Has signals counted instead of obeyed, in the main thread.

    Within another such context, all is counted there: both have the same `StopSignals`. A signal
    that this process was started to ignore, as `nohup` does with SIGHUP, stays ignored.
    """
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    for handler in handlers.values():
        if isinstance(handler, StopSignals):
            yield handler
            return
    signals = StopSignals()
    before = {
        number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN
    }
    try:
        for number in before:
            signal.signal(number, signals)
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
