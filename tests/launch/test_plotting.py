from __future__ import annotations

import numpy as np
import pytest

from launch import plotting
from launch.errors import RunError
from launch.metrics import MetricsLog
from launch.run_folder import RunFolder

PNG = b"\x89PNG"


def make_run(root, returns, *, period=10) -> RunFolder:
    folder = RunFolder(root)
    log = MetricsLog(folder)
    for role in ("actor", "evaluator"):
        for i, value in enumerate(returns):
            times = {"wall_time": 0.0, "actor_steps": period * i, "learner_steps": i}
            log.write(role, {**times, "episode_return": value})
    log.close()
    return folder


def test_reads_curves_without_the_rows_that_have_no_return(tmp_path):
    folder = make_run(tmp_path, [1.0, None, 3.0])
    steps, returns = plotting.read_curve(folder, "actor")
    assert steps.tolist() == [0, 20]
    assert returns.tolist() == [1, 3]
    assert len(plotting.read_curve(folder, "nobody")[0]) == 0


def test_draws_a_run(tmp_path):
    folder = make_run(tmp_path, [1.0, 2.0, 3.0])
    path = plotting.plot_run(folder, "title")
    assert path == folder.learning_curve
    assert path.read_bytes().startswith(PNG)


def test_draws_a_run_that_has_hardly_begun(tmp_path):
    assert plotting.plot_run(RunFolder(tmp_path), "title").is_file()


def test_puts_runs_of_other_periods_and_lengths_on_one_grid(tmp_path):
    runs = [
        make_run(tmp_path / "a", [float(i) for i in range(11)], period=10),
        make_run(tmp_path / "b", [2.0 * i for i in range(4)], period=20),
    ]
    grid, values = plotting._on_one_grid(runs)
    assert (grid[0], grid[-1]) == (0, 60)
    np.testing.assert_allclose(values[0], grid / 10)
    np.testing.assert_allclose(values[1], grid / 10)


def test_draws_several_runs(tmp_path):
    runs = [make_run(tmp_path / str(i), [1.0, 2.0 + i]) for i in range(3)]
    path = tmp_path / "new" / "picture.png"
    plotting.plot_runs([("one", runs[:2]), ("other", runs[2:])], "title", path)
    assert path.read_bytes().startswith(PNG)


def test_runs_without_evaluations_and_damaged_ones_are_one_error(tmp_path):
    empty = RunFolder(tmp_path / "empty")
    with pytest.raises(RunError, match="no evaluations"):
        plotting.plot_runs([("one", [empty])], "title", tmp_path / "x.png")
    damaged = make_run(tmp_path / "damaged", [1.0, 2.0])
    for content in ("a,b\n1,2\n", "actor_steps,episode_return\n1,x\n", ""):
        damaged.metrics("evaluator").write_text(content)
        with pytest.raises(RunError, match="is damaged"):
            plotting.read_curve(damaged, "evaluator")


def test_the_axis_says_what_a_step_is():
    _, axes = plotting._new_figure("title")
    assert axes.get_xlabel() == "actor steps (actions)"
