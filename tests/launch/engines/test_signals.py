from __future__ import annotations

import signal

import pytest

from launch.engines import signals


@pytest.fixture(autouse=True)
def same_handlers():
    before = {number: signal.getsignal(number) for number in signals._SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_counts_and_puts_the_handlers_back():
    before = [signal.getsignal(number) for number in signals._SIGNALS]
    with signals.caught() as stop:
        for number in signals._SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.raise_signal(number)
    assert stop.count == sum(handler is not signal.SIG_IGN for handler in before)
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
