from __future__ import annotations

import time

import pytest

from quinoa.launch.metrics.rates import RateMeter
from quinoa.launch.run.status import Rates


@pytest.fixture
def clock(monkeypatch):
    """Seconds, which a test sets."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_rates_are_those_of_the_last_seconds(clock):
    meter = RateMeter()
    for second in range(100):
        clock[0] = second
        # Ten times as fast from the 50th on.
        actor_steps = 10 * second if second < 50 else 500 + 100 * (second - 50)
        meter.add(actor_steps, actor_steps // 4)
    assert meter.rates() == Rates(
        actor_steps_per_second=100, learner_steps_per_second=25, updates_per_step=0.25
    )


def test_nothing_is_known_at_first_nor_a_ratio_of_nothing(clock):
    meter = RateMeter()
    assert meter.rates() == Rates()
    meter.add(5, 0)
    assert meter.rates() == Rates()
    clock[0] = 2.0
    meter.add(5, 8)
    assert meter.rates() == Rates(actor_steps_per_second=0, learner_steps_per_second=4)


def test_a_learner_that_goes_back_gives_no_negative_rate(clock):
    meter = RateMeter()
    for second, learner_steps in enumerate((0, 50, 100, 20, 70)):
        clock[0] = second
        meter.add(10 * second, learner_steps)
    assert meter.rates().learner_steps_per_second == 50


def test_a_learner_of_long_calls_is_seen_for_longer(clock):
    meter = RateMeter()
    for second in range(400):
        clock[0] = second
        # A call of 50 steps every ten seconds.
        meter.add(10 * second, second // 10 * 50)
        if second > 150:
            assert meter.rates().updates_per_step == pytest.approx(0.5, rel=0.11)


def test_a_learner_that_has_stopped_is_seen_as_that_in_the_end(clock):
    meter = RateMeter()
    for second in range(1000):
        clock[0] = second
        meter.add(10 * second, 5 * min(second, 100))
    assert meter.rates().learner_steps_per_second == 0
