from __future__ import annotations

import numpy as np
import pytest

from quinoa.launch.analysis import curves
from quinoa.launch.analysis.curves import Curve
from quinoa.launch.errors import RunError
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.written_runs import write_run


def test_reads_curves_without_the_rows_that_have_no_return(tmp_path):
    folder = write_run(tmp_path, [1.0, None, 3.0])
    curve = curves.read_curve(folder, "actor")
    assert curve.x.tolist() == [0, 20]
    assert curve.y.tolist() == [1, 3]
    assert len(curves.read_curve(folder, "nobody").x) == 0


def test_reads_curves_over_gradient_steps_and_over_hours(tmp_path):
    folder = write_run(tmp_path, [1.0, 2.0, 3.0])
    assert curves.read_curve(folder, "evaluator", "updates").x.tolist() == [0, 5, 10]
    hours = curves.read_curve(folder, "evaluator", "hours").x
    np.testing.assert_allclose(hours, [0, 0.01, 0.02])


def test_hours_leave_out_the_time_in_which_a_run_did_not_run(tmp_path):
    # It ran for 36 s, went on after two hours, for 36 s, and once more after three.
    folder = write_run(
        tmp_path,
        [1.0, 2.0, 3.0, 4.0, 5.0],
        seconds=[0, 36, 7200 + 18, 7200 + 36, 10800 + 36],
        resumed=[7200, 10800],
    )
    hours = curves.read_curve(folder, "evaluator", "hours").x
    np.testing.assert_allclose(hours * 3600, [0, 36, 54, 72, 108])


def test_hours_of_a_run_that_went_on_before_it_had_done_anything(tmp_path):
    folder = write_run(tmp_path, [1.0, 2.0], seconds=[510, 520], resumed=[100, 500])
    hours = curves.read_curve(folder, "evaluator", "hours").x
    np.testing.assert_allclose(hours * 3600, [10, 20])


def test_a_line_that_is_being_written_is_left_out(tmp_path):
    folder = write_run(tmp_path, [1.0, 2.0])
    with folder.metrics("evaluator").open("a") as file:
        file.write("1700000000,20,10,5")
    assert curves.evaluations(folder).y.tolist() == [1, 2]


def test_of_two_evaluations_at_one_place_the_later_counts(tmp_path):
    folder = write_run(tmp_path, [1.0, 2.0, 7.0], period=0)
    assert curves.evaluations(folder) == (np.array([0.0]), np.array([7.0]))


def test_smoothing_takes_means_around_each_place(tmp_path):
    folder = write_run(tmp_path, [0.0, 3.0, 6.0, 0.0])
    np.testing.assert_allclose(curves.evaluations(folder, smooth=3).y, [1.5, 3, 3, 3])


def test_runs_without_evaluations_and_damaged_ones_are_one_error(tmp_path):
    with pytest.raises(RunError, match="has no evaluations"):
        curves.evaluations(RunFolder(tmp_path / "empty"))
    damaged = write_run(tmp_path / "damaged", [1.0, 2.0])
    for content in ("a,b\n1,2\n", "actor_steps,episode_return\n1,x\n", ""):
        damaged.metrics("evaluator").write_text(content)
        with pytest.raises(RunError, match="is damaged"):
            curves.read_curve(damaged, "evaluator")
    damaged = write_run(tmp_path / "damaged")
    damaged.experiment.write_text("{}")
    with pytest.raises(RunError, match="is damaged"):
        curves.read_curve(damaged, "evaluator", "hours")


def test_curves_of_other_periods_and_lengths_come_to_one_grid():
    one = Curve(np.arange(0.0, 101, 10), np.arange(11.0))
    other = Curve(np.arange(0.0, 61, 20), 2 * np.arange(4.0))
    grid, values = curves.on_one_grid([one, other])
    assert (grid[0], grid[-1]) == (0, 100)
    assert set(one.x) | set(other.x) == set(grid)
    np.testing.assert_allclose(values[0], grid / 10)
    np.testing.assert_allclose(values[1][grid <= 60], grid[grid <= 60] / 10)
    assert np.isnan(values[1][grid > 60]).all()


def test_the_grid_begins_where_all_curves_have_begun():
    late = Curve(np.array([5.0, 20]), np.array([0.0, 1]))
    early = Curve(np.array([0.0, 10, 30]), np.array([0.0, 1, 2]))
    grid, values = curves.on_one_grid([early, late])
    assert grid.tolist() == [5, 10, 20, 30]
    assert not np.isnan(values[:, 0]).any()
