"""Requests that a run end: signals, a terminal that is closed, a parent process that is gone."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NamedTuple

# How a user asks by SIGINT.
CTRL_C = "Ctrl-C"

# Two signals of a kind within so many seconds are one request: `timeout` sends one to its command
# and one to the group that this is in.
_SAME_S = 0.02

# What the handler writes among the signals' numbers when it has counted one.
_HANDLED = 0

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Asked(NamedTuple):
    """A request that a run end.

    Attributes:
        times: how many requests there have been by now.
        again: how the user can ask once more: `Ctrl-C`, or the name of a signal.
    """

    times: int
    again: str

    def about_run(self, *, saves_replay: bool) -> str:
        """What is said where a run is asked to end.

        Args:
            saves_replay: whether the run saves the contents of replay too.
        """
        if self.times > 1:
            return "Ending at once: what was learned since the newest checkpoint is lost."
        replay = " and what replay holds" if saves_replay else ""
        return (
            f"Stopping: saving what was learned{replay}. {self.again} once more ends the run at "
            "once, without that."
        )


class StopSignals:
    """Counts how often the run has been asked to end.

    SIGINT or SIGTERM, sent twice, mean that the user is in a hurry. A terminal that is closed does
    not: it brings SIGHUP, from the kernel and from the shell, and the end of the parent process,
    which all count as one request.
    """

    def __init__(self) -> None:
        """Has counted no requests yet."""
        # The pipe whose other end `read_from` reads.
        self.writer: int | None = None
        self._num_asked = 0
        self._hung_up = False
        self._parent = os.getppid() if _belongs_to_parent() else None
        self._lock = threading.Lock()
        self._tell: Callable[[Asked], object] | None = None
        self._num_read = self._num_told = 0
        self._resent_to_read: int | None = None
        self._resent_to_handle = False
        self._last: int = signal.SIGINT
        self._read_at: dict[int, float] = {}
        self._interrupts = False

    def ask(self) -> None:
        """Asks the run to end, from any thread, as a signal would.

        No message is shown for it (see `telling`), as a program asks, not a user.
        """
        with self._lock:
            self._num_asked += 1
            self._num_read += 1
            self._num_told += 1

    @property
    def count(self) -> int:
        """The number of requests."""
        is_orphan = self._parent is not None and os.getppid() != self._parent
        return max(self._num_asked, self._num_read, int(self._hung_up or is_orphan))

    def __call__(self, signal_number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        del frame
        if self._resent_to_handle:
            self._resent_to_handle = False
        elif signal_number == signal.SIGHUP:
            self._last = signal_number
            self._hung_up = True
        else:
            self._last = signal_number
            self._num_asked += 1
        if self.writer is not None:
            with contextlib.suppress(OSError):  # Full: there is enough to read.
                os.write(self.writer, bytes([_HANDLED]))
        if self._interrupts and self.count >= 2:
            self._interrupts = False
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def telling(self, tell: Callable[[Asked], object]) -> Iterator[None]:
        """Within the context, calls a function at once whenever the run is asked to end.

        Args:
            tell: called by another thread, so that a long call in this one does not delay it. It is
                called now for a request that came before and was not told of.
        """
        with self._lock:
            before, self._tell = self._tell, tell
        self._tell_news()
        try:
            yield
        finally:
            # What has ended the context may be known here before the other thread has read of it.
            self._tell_news()
            with self._lock:
                self._tell = before

    @contextlib.contextmanager
    def second_interrupts(self) -> Iterator[None]:
        """Within the context, a second request raises `KeyboardInterrupt` in the main thread."""
        self._interrupts = True
        try:
            yield
        finally:
            self._interrupts = False

    def read_from(self, descriptor: int) -> None:
        """Reads the numbers of signals from a pipe as the kernel delivers them, up to its end.

        Only here is each signal seen: Python calls the handler once for all signals of a kind that
        came during one long call of the main thread.

        Args:
            descriptor: of the pipe's end to read from.
        """
        while numbers := os.read(descriptor, 64):
            for number in numbers:
                is_ours = number in _SIGNALS and signal.getsignal(number) is self
                if is_ours:
                    self._read(number)
                elif number == _HANDLED:
                    self._tell_news()

    def _read(self, number: int) -> None:
        if number == self._resent_to_read:
            self._resent_to_read = None
            return
        now = time.monotonic()
        if now - self._read_at.get(number, -math.inf) < _SAME_S:
            return
        self._read_at[number] = now
        self._num_read += number != signal.SIGHUP
        self._last = number
        self._tell_news(hung_up=number == signal.SIGHUP)
        if self._interrupts and self._num_read >= 2:
            # The handler may have seen one signal of the two, and is to interrupt.
            self._resent_to_read, self._resent_to_handle = number, True
            signal.pthread_kill(_main_thread(), number)

    def _tell_news(self, *, hung_up: bool = False) -> None:
        with self._lock:
            # The signal handler, which runs in the main thread, may run before this or after it.
            count = max(self._num_read, self._num_asked, int(hung_up or self._hung_up))
            if self._tell is None or count <= self._num_told:
                return
            self._num_told = count
            again = CTRL_C if self._last == signal.SIGINT else signal.Signals(self._last).name
            self._tell(Asked(count, again))


def _main_thread() -> int:
    identity = threading.main_thread().ident
    assert identity is not None
    return identity


def _belongs_to_parent() -> bool:
    """Whether this process is to end when its parent process ends.

    It is not if it was started to outlive its parent: by `nohup`, `setsid` or a service manager.
    """
    is_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return not is_nohup and os.getsid(0) != os.getpid()


@contextlib.contextmanager
def caught() -> Iterator[StopSignals]:
    """Within the context, counts signals instead of ending the process; for the main thread.

    A context within another has the same `StopSignals` as the outer one. A signal that this process
    was started to ignore, as `nohup` does with SIGHUP, stays ignored. Other threads get no signals;
    there only `StopSignals.ask` asks the run to end.
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
    with _read_by_thread(signals):
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
def _read_by_thread(signals: StopSignals) -> Iterator[None]:
    """Has a thread read signals at once, as the main thread may be in a long call."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    thread = threading.Thread(target=signals.read_from, args=(reader,), name="signals", daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signals.writer = writer
    try:
        yield
    finally:
        signals.writer = None
        signal.set_wakeup_fd(before)
        os.close(writer)
        thread.join()
        os.close(reader)
