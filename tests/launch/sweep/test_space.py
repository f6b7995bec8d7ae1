from __future__ import annotations

import math

import pytest

from quinoa.launch.errors import ExperimentError
from quinoa.launch.sweep import space
from quinoa.launch.sweep.space import Axis, Distribution


def test_reads_lists_and_distributions():
    assert space.parse_axis("tau=0.01, 0.03") == Axis("tau", ("0.01", "0.03"))
    assert space.parse_axis("sizes=64,64;256,256").values == ("64,64", "256,256")
    assert space.parse_axis("rate=log:1e-4:1e-2").values == Distribution("log", 1e-4, 1e-2)
    # An environment's name has colons too.
    assert space.parse_axis("what=control:a:b").values == ("control:a:b",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tau", "must be NAME=VALUE"),
        ("=1", "must be NAME=VALUE"),
        ("tau=", "must be NAME=VALUE"),
        ("tau=,", "has no value"),
        ("tau= ; ", "has no value"),
        ("tau=1,1", "has 1 twice"),
        ("sizes=64,64", "separated by semicolons"),
        ("rate=log:0:1", "both above 0"),
        ("rate=log:2:1", "takes two numbers"),
        ("rate=uniform:1", "takes two numbers"),
        ("rate=uniform:a:b", "takes two numbers"),
        ("n=int:1:2.5", "takes two whole numbers"),
        ("n=uniform:0:inf", "takes two numbers"),
    ],
)
def test_what_is_no_axis_is_one_line(text, message):
    with pytest.raises(ExperimentError, match=message) as caught:
        space.parse_axis(text)
    assert "\n" not in str(caught.value)


def test_a_setting_given_twice_is_an_error():
    with pytest.raises(ExperimentError, match="tau is given twice"):
        space.parse_axes(["tau=1", "tau=2"])


def test_a_grid_is_every_combination():
    axes = space.parse_axes(["a=1,2", "b=x,y,z"])
    combinations = space.grid(axes)
    assert len(combinations) == 6
    assert combinations[0] == {"a": "1", "b": "x"}
    assert len({tuple(c.values()) for c in combinations}) == 6
    assert space.grid([]) == [{}]
    with pytest.raises(ExperimentError, match="give --random=N"):
        space.grid([space.parse_axis("a=uniform:0:1")])


def test_random_combinations_are_all_different_and_follow_from_the_seed():
    axes = space.parse_axes(["a=log:1e-4:1e-2", "b=x,y"])
    drawn = space.sample(axes, 50, seed=1)
    assert drawn == space.sample(axes, 50, seed=1) != space.sample(axes, 50, seed=2)
    assert len({tuple(c.values()) for c in drawn}) == 50
    assert {c["b"] for c in drawn} == {"x", "y"}
    with pytest.raises(ExperimentError, match=r"more combinations than were found \(2\)"):
        space.sample(space.parse_axes(["b=x,y"]), 3, seed=0)
    with pytest.raises(ExperimentError, match="name some"):
        space.sample([], 3, seed=0)


@pytest.mark.parametrize(
    ("text", "low", "median", "high", "whole"),
    [
        ("a=uniform:2:4", 2, 3, 4, False),
        ("a=log:1e-4:1e-2", 1e-4, 1e-3, 1e-2, False),
        ("a=int:0:200", 0, 100, 200, True),
        ("a=logint:10:1000", 10, 100, 1000, True),
    ],
)
def test_distributions_are_what_they_say(text, low, median, high, whole):
    axis = space.parse_axis(text)
    values = sorted(float(c["a"]) for c in space.sample([axis], 150, seed=0))
    assert low <= values[0] < values[-1] <= high
    # Half of them are below the median, within four standard deviations.
    share = sum(value < median for value in values) / len(values)
    assert abs(share - 0.5) < 4 * math.sqrt(0.25 / len(values))
    assert not whole or all(value.is_integer() for value in values)
