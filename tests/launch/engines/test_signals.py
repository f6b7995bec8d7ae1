from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from quinoa.launch.engines import signals


@pytest.fixture(autouse=True)
def same_handlers():
    before = {number: signal.getsignal(number) for number in signals._SIGNALS}
    # What runs the tests may have been started by `nohup`.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_counts_and_puts_the_handlers_back():
    before = [signal.getsignal(number) for number in signals._SIGNALS]
    with signals.caught() as stop:
        for number in signals._SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.raise_signal(number)
    asked = sum(handler is not signal.SIG_IGN for handler in before[:2])
    assert stop.count == max(asked, 1)
    assert [signal.getsignal(number) for number in signals._SIGNALS] == before


def test_what_is_ignored_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with signals.caught() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert stop.count == 0
        signal.raise_signal(signal.SIGTERM)
        assert stop.count == 1
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_one_within_another_counts_for_both():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with signals.caught() as outer:
        signal.raise_signal(signal.SIGTERM)
        with signals.caught() as inner:
            assert inner.count == 1
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert outer.count == inner.count == 3


def test_a_terminal_that_is_closed_asks_once():
    """The kernel sends SIGHUP, the shell does, and the shell ends: nobody is in a hurry."""
    with signals.caught() as stop:
        for _ in range(3):
            signal.raise_signal(signal.SIGHUP)
        assert stop.count == 1
        signal.raise_signal(signal.SIGTERM)
        assert stop.count == 1
        signal.raise_signal(signal.SIGTERM)
        assert stop.count == 2


def busy(seconds: float) -> None:
    """Is in one call of C, which lets other threads run, for about so long."""
    least = time.monotonic() + seconds
    iterations = 10_000
    while time.monotonic() < least:
        began = time.monotonic()
        hashlib.pbkdf2_hmac("sha256", b"", b"", iterations)
        rate = iterations / (time.monotonic() - began)
        iterations = int(rate * seconds)


def test_it_is_told_at_once_whatever_the_main_thread_is_at():
    told: list[tuple[signals.Asked, int]] = []
    with (
        signals.caught() as stop,
        stop.telling(lambda asked: told.append((asked, stop._num_asked))),
    ):
        threading.Timer(0.3, signal.raise_signal, (signal.SIGINT,)).start()
        busy(1.0)
    # Before the handler, which waits for the call's end.
    assert told == [(signals.Asked(1, "Ctrl-C"), 0)]
    assert stop.count == 1


def ask_twice_while_busy() -> None:
    """Two signals come during one call of C: Python calls the handler once for both."""
    for after_s in (0.2, 0.4):
        threading.Timer(after_s, signal.raise_signal, (signal.SIGINT,)).start()
    busy(1.0)


def test_two_during_one_long_call_count_as_two():
    with signals.caught() as stop:
        ask_twice_while_busy()
        assert stop.count == 2
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.1)
        assert stop.count == 3


def test_two_at_the_same_time_count_as_one():
    """The command `timeout` sends SIGTERM twice."""

    def send() -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)

    with signals.caught() as stop:
        threading.Timer(0.2, send).start()
        busy(1.0)
        assert stop.count == 1


def test_two_during_one_long_call_interrupt_where_that_is_wanted():
    with signals.caught() as stop, stop.second_interrupts():
        with pytest.raises(KeyboardInterrupt):
            ask_twice_while_busy()
        assert stop.count == 2


def test_it_is_said_what_a_request_to_end_loses():
    first = signals.Asked(1, "SIGTERM")
    assert first.about_run(saves_replay=True) == (
        "Stopping: saving what was learned and what replay holds. SIGTERM once more ends the run "
        "at once, without that."
    )
    assert first.about_run(saves_replay=False).startswith("Stopping: saving what was learned. ")
    assert signals.Asked(2, "SIGTERM").about_run(saves_replay=True) == (
        "Ending at once: what was learned since the newest checkpoint is lost."
    )


def test_what_came_before_is_told_once():
    told: list[signals.Asked] = []
    with signals.caught() as stop:
        signal.raise_signal(signal.SIGTERM)
        with stop.telling(told.append):
            pass
        with stop.telling(told.append):
            signal.raise_signal(signal.SIGTERM)
            deadline = time.monotonic() + 10
            while len(told) < 2 and time.monotonic() < deadline:
                time.sleep(0.01)
    assert [asked.times for asked in told] == [1, 2]
    assert told[-1].again == "SIGTERM"


def test_what_ends_the_context_is_told_before():
    for _ in range(50):
        told: list[signals.Asked] = []
        with signals.caught() as stop, stop.telling(told.append):
            signal.raise_signal(signal.SIGTERM)
        assert told == [signals.Asked(1, "SIGTERM")]


def test_the_second_interrupts_where_that_is_wanted():
    with signals.caught() as stop:
        with stop.second_interrupts():
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            # While that is handled, another request interrupts nothing.
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert stop.count == 4


CHILD = """
import signal, sys, time
from quinoa.launch.engines import signals
if sys.argv[1] == "nohup":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
with signals.caught() as stop:
    print(stop.count, flush=True)
    sys.stdin.readline()
    time.sleep(0.2)
    print(stop.count, flush=True)
"""


@pytest.mark.parametrize(
    ("kind", "asked"), [("plain", "1"), ("nohup", "0"), ("a session of its own", "0")]
)
def test_it_ends_with_its_parent_unless_it_was_started_to_outlive_it(kind, asked):
    with_session = kind == "a session of its own"
    parent = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {CHILD!r}, {kind!r}],"
        f" start_new_session={with_session})\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-u", "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"0\n"
        # Only the child reads what is written: either of them might take what is meant for both.
        process.kill()
        process.wait(60)
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.stdout.readline().decode().strip() == asked
