import math

import pytest

from benchmarks.learning import curve
from benchmarks.learning.curve import Curve, Evaluation

RISING = Curve([Evaluation(10.0 * i, 100 * i, 50.0 * i) for i in range(5)])


def test_the_return_at_a_step_is_of_the_next_evaluation_and_the_two_before():
    assert RISING.return_at(400) == RISING.return_at(301) == RISING.return_at(10**9) == 150.0
    assert RISING.return_at(300) == 100.0
    assert RISING.return_at(0) == 0.0


def test_the_time_of_a_step_is_that_of_the_next_evaluation():
    # Whose own steps may be a few more than were asked for.
    assert RISING.seconds_at(400) == RISING.seconds_at(301) == RISING.seconds_at(10**9) == 40.0
    assert RISING.seconds_at(300) == 30.0
    late = Curve([Evaluation(7.0, 2_416, 3.0)])
    assert (late.seconds_at(100), late.return_at(100)) == (7.0, 3.0)


def test_a_level_is_reached_where_an_evaluation_and_the_two_before_have_it_in_the_mean():
    assert RISING.seconds_to(60.0) == 30.0
    assert RISING.seconds_to(-1.0) == 0.0
    assert RISING.seconds_to(151.0) == math.inf


@pytest.mark.parametrize(
    ("seconds", "mean"), [(40.0, 100.0), (20.0, 50.0), (15.0, 37.5), (80.0, 150.0)]
)
def test_the_mean_is_of_the_lines_between_evaluations(seconds, mean):
    assert RISING.mean_until(seconds) == pytest.approx(mean)


def test_before_the_first_evaluation_its_return_counts():
    assert Curve([Evaluation(30.0, 1, 8.0)]).mean_until(10.0) == 8.0


def test_it_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "curve.csv"
    curve.write(RISING, path)
    assert curve.read(path) == RISING
    assert [file.name for file in tmp_path.iterdir()] == ["curve.csv"]


def test_a_file_without_evaluations_is_an_error_that_says_what_to_do(tmp_path):
    path = tmp_path / "curve.csv"
    path.write_text("seconds,steps,return\n")
    with pytest.raises(ValueError, match="delete it"):
        curve.read(path)
