"""What asks a run to end: signals, a terminal that is closed, a parent that is gone."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """Counts how often the run has been asked to end.

    Whoever sends SIGINT or SIGTERM twice is in a hurry. A terminal that is closed is not: it brings
    SIGHUP, from the kernel and from the shell, and the end of the process that started this one,
    which all count as one.
    """

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self._num_asked = 0
        self._hung_up = False
        self._parent = os.getppid() if _belongs_to_parent() else None

    @property
    def count(self) -> int:
        """How often."""
        is_orphan = self._parent is not None and os.getppid() != self._parent
        return max(self._num_asked, int(self._hung_up or is_orphan))

    def __call__(self, signal_number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        del frame
        if signal_number == signal.SIGHUP:
            self._hung_up = True
        else:
            self._num_asked += 1


def _belongs_to_parent() -> bool:
    """Whether this process is to end with the one that started it.

    Not if it was started to outlive that one: with `nohup`, `setsid`, or by a system's own manager.
    """
    is_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return not is_nohup and os.getsid(0) != os.getpid()


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
