"""What asks a run to end: signals, a terminal that is closed, a parent that is gone."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NamedTuple

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Asked(NamedTuple):
    """That a run has been asked to end.

    Attributes:
        times: how often by now.
        again: what asks once more, for whoever did: `Ctrl-C` or the name of a signal.
    """

    times: int
    again: str


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
        self._lock = threading.Lock()
        self._tell: Callable[[Asked], object] | None = None
        self._num_heard = self._num_told = 0
        self._last = "Ctrl-C"
        self._interrupts = False

    def ask(self) -> None:
        """Asks the run to end, as a signal would, but tells nobody: whoever asks so is a program.

        Any thread may.
        """
        with self._lock:
            self._num_asked += 1
            self._num_heard += 1
            self._num_told += 1

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
        if self._interrupts and self._num_asked >= 2:
            self._interrupts = False
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def telling(self, tell: Callable[[Asked], object]) -> Iterator[None]:
        """Within, has a function called at once when the run is asked to end.

        Args:
            tell: is called by another thread, whatever this one is at. What came before, and nobody
                was told, it is told now.
        """
        with self._lock:
            before, self._tell = self._tell, tell
        self._tell_news()
        try:
            yield
        finally:
            with self._lock:
                self._tell = before

    @contextlib.contextmanager
    def second_interrupts(self) -> Iterator[None]:
        """Within, being asked a second time raises `KeyboardInterrupt`, wherever this thread is."""
        self._interrupts = True
        try:
            yield
        finally:
            self._interrupts = False

    def hear(self, descriptor: int) -> None:
        """Reads the numbers of signals as the kernel delivers them, up to the end of the pipe."""
        while numbers := os.read(descriptor, 64):
            for number in numbers:
                is_ours = number in _SIGNALS and signal.getsignal(number) is self
                if is_ours:
                    self._num_heard += number != signal.SIGHUP
                    self._last = (
                        "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
                    )
                    self._tell_news(hung_up=number == signal.SIGHUP)

    def _tell_news(self, *, hung_up: bool = False) -> None:
        with self._lock:
            # The handler runs when the main thread comes to it, which may be before or after this.
            count = max(self._num_heard, self._num_asked, int(hung_up or self._hung_up))
            if self._tell is None or count <= self._num_told:
                return
            self._num_told = count
            self._tell(Asked(count, self._last))


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
    that this process was started to ignore, as `nohup` does with SIGHUP, stays ignored. In another
    thread, which gets no signals, `StopSignals.ask` alone asks the run to end.
    """
    if threading.current_thread() is not threading.main_thread():
        with _of_this_thread() as signals:
            yield signals
        return
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    for handler in handlers.values():
        if isinstance(handler, StopSignals):
            yield handler
            return
    signals = StopSignals()
    before = {
        number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN
    }
    with _heard(signals):
        try:
            for number in before:
                signal.signal(number, signals)
            yield signals
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


_thread = threading.local()


@contextlib.contextmanager
def _of_this_thread() -> Iterator[StopSignals]:
    outer: StopSignals | None = getattr(_thread, "signals", None)
    if outer is not None:
        yield outer
        return
    _thread.signals = StopSignals()
    try:
        yield _thread.signals
    finally:
        del _thread.signals


@contextlib.contextmanager
def _heard(signals: StopSignals) -> Iterator[None]:
    """Has a thread hear of signals at once: the main one may be in the midst of a long call."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    thread = threading.Thread(target=signals.hear, args=(reader,), name="signals", daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)
        thread.join()
        os.close(reader)
