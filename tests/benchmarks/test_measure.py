import itertools
import time

import pytest

from benchmarks.measure import BenchmarkError, Comparison, in_turns, rate, turns


def comparison(ours=(4.0, 9.0, 6.0), reference=(2.0, 3.0, 1.0), **changes):
    return Comparison("b", "c", "steps/s", ours, "theirs", reference, **changes)


def test_the_ratio_is_the_median_of_the_rounds_and_not_of_the_sides():
    assert comparison().ratios == [2.0, 3.0, 6.0]
    assert comparison().ratio == 3.0
    assert comparison(lower_is_better=True).ratio == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({}, None),
        ({"goal": 3.0}, True),
        ({"goal": 3.1}, False),
        ({"goal": 6.0, "goal_is_absolute": True}, True),
        ({"goal": 6.1, "goal_is_absolute": True}, False),
        ({"goal": 6.0, "goal_is_absolute": True, "lower_is_better": True}, True),
        ({"goal": 5.9, "goal_is_absolute": True, "lower_is_better": True}, False),
    ],
)
def test_goals(changes, holds):
    assert comparison(**changes).holds is holds


def test_both_sides_have_as_many_rounds():
    with pytest.raises(ValueError, match="3 rounds of ours and 2"):
        comparison(reference=(1.0, 2.0))


def test_sides_take_turns_and_neither_is_always_first():
    numbers = itertools.count(1)
    first, second = in_turns([lambda: next(numbers), lambda: next(numbers)], 3)
    assert first == (1, 4, 5)
    assert second == (2, 3, 6)


def test_turns_are_numbered_by_round_and_side():
    assert list(turns(2, 2)) == [(0, 0), (0, 1), (1, 1), (1, 0)]


def test_a_side_that_does_nothing_is_an_error_and_no_figure():
    with pytest.raises(BenchmarkError, match="Side 2 did nothing in round 1"):
        in_turns([lambda: 1.0, lambda: 0.0], 3)


def test_a_rate_counts_what_the_step_returns(monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: 0.5 * next(clock))
    # The clock is read before each step and after the last one: half a second goes by each time.
    assert rate(lambda: 1000, 2.0) == 3 * 1000 / 2.0
