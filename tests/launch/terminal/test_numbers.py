from __future__ import annotations

import pytest

from quinoa.launch.terminal.numbers import compact, count, duration, sparkline


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (999.9, "1k"),
        (1500, "1.5k"),
        (63_000, "63k"),
        (99_960, "100k"),
        (123_456, "123k"),
        (999_999, "1M"),
        (2.5e9, "2.5G"),
    ],
)
def test_numbers_have_three_digits_or_so(number, text):
    assert compact(number) == text


def test_durations_and_counts():
    assert [duration(s) for s in (-1, 7.4, 59.6, 3722)] == ["0:00", "0:07", "1:00", "1:02:02"]
    assert [count(n, "run") for n in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]


def test_a_sparkline_goes_from_least_to_greatest():
    assert sparkline([], 5) == ""
    assert sparkline([3.0, 3.0], 5) == "▁▁"
    assert sparkline([0.0, 1.0, 7.0], 5) == "▁▂█"
    # Of more than there is room for, means of neighbours.
    assert sparkline([0.0, 2.0, 6.0, 8.0], 2) == "▁█"
    assert len(sparkline(list(range(1000)), 24)) == 24
