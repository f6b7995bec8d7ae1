from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from quinoa.launch.analysis import plots, run_groups
from quinoa.launch.storage.files import write_json
from quinoa.launch.sweep import summary
from quinoa.launch.sweep.sweep_folder import PlannedRun, SweepFolder
from tests.launch.written_runs import write_learned, write_run


@pytest.fixture
def swept(tmp_path):
    """A sweep of which one run has failed, one has not begun, and the others are finished."""
    sweep = SweepFolder(tmp_path / "sweep")
    sweep.create()
    plan = []
    for tau in ("0.010", "0.1", "1"):
        for seed in range(2):
            name = f"{tau}-{seed}"
            settings = {"agent": "some_agent", "env": "e", "tau": tau}
            plan.append(PlannedRun(name, settings, seed, 20, ()))
            if name == "1-1":
                continue
            folder = write_run(
                sweep.root / name,
                [0.0, 10 * float(tau) + seed],
                config={"tau": float(tau)},
                environment="e",
                seed=seed,
            )
            write_json(folder.result, {"outcome": "finished"})
    sweep.set_failure(plan[4], "it broke")
    return sweep, plan


def test_the_runs_are_in_a_table_with_how_they_ended(swept):
    table = summary.runs_table(*swept).set_index("run")
    assert table.index[0] == "1-0"
    assert table.loc["0.1-1", "return"] == 2
    assert table.loc["0.1-1", "state"] == "finished"
    assert table.loc["1-0", "error"] == "it broke"
    assert table.loc["1-1", "state"] == "waiting"
    assert np.isnan(table.loc["1-1", "return"])


def test_combinations_are_sorted_by_their_mean_over_seeds(swept):
    sweep, plan = swept
    _, table, paths = summary.write(sweep, plan)
    assert table["tau"].tolist() == ["1", "0.1", "0.010"]
    assert table["finished"].tolist() == ["0 of 2", "2 of 2", "2 of 2"]
    assert table["mean"].tolist() == pytest.approx([10, 1.5, 0.6])
    assert np.isnan(table["std"][0])
    assert table["std"][1] == pytest.approx(np.sqrt(0.5))
    assert all(path.is_file() for path in paths)
    assert sweep.picture in paths
    assert "1.5 ± 0.7" in sweep.table.read_text()
    read = pd.read_csv(sweep.runs_table)
    assert len(read) == len(plan)


def test_a_sweep_that_has_done_nothing_has_tables_and_no_picture(swept):
    sweep, plan = swept
    _, table, paths = summary.write(sweep, plan[-1:])
    assert np.isnan(table["mean"][0])
    assert sweep.picture not in paths


def test_the_picture_shows_the_best_of_many(swept, monkeypatch):
    sweep, plan = swept
    monkeypatch.setattr(summary, "_MAX_LINES", 2)
    drawn = []
    monkeypatch.setattr(plots, "plot_panels", lambda panels, path, **_: drawn.append(panels))
    summary.write(sweep, plan)
    ((panel,),) = drawn
    assert panel.title == "e (best 2 of 3)"
    assert list(panel.lines) == ["some_agent, tau=1", "some_agent, tau=0.1"]


def test_no_two_lines_look_alike_where_environments_have_different_bests(tmp_path):
    """Each of the labels is among the best of one environment only."""
    sweep = SweepFolder(tmp_path / "sweep")
    sweep.create()
    plan = []
    for task in range(4):
        for place in range(9):
            tau = float(9 * task + place)
            settings = {"agent": "some_agent", "env": str(task), "tau": str(tau)}
            plan.append(PlannedRun(str(tau), settings, 0, 20, ()))
            write_run(sweep.root / str(tau), config={"tau": tau}, environment=str(task))
    groups = run_groups.group([run_groups.read(sweep.run(run)) for run in plan], ["tau"])
    figures = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "save", lambda figure, path: figures.append(figure))
        summary.write(sweep, plan)
    (figure,) = figures
    drawn = [
        (line.get_color(), line.get_linestyle()) for axes in figure.axes for line in axes.lines
    ]
    assert len(groups) == 4 and len(drawn) == len(set(drawn)) == plots.MAX_LINES
    assert figure.axes[0].get_title() == "0 (best 7 of 9)"


def test_steps_that_are_varied_are_a_setting_of_the_table(tmp_path):
    """Where a run ends by chance a few steps after them, they are still one combination."""
    sweep = SweepFolder(tmp_path / "sweep")
    sweep.create()
    plan = []
    for steps in (20, 40):
        for seed in range(2):
            name = f"{steps}-{seed}"
            settings = {"agent": "some_agent", "env": "e", "steps": str(steps)}
            plan.append(PlannedRun(name, settings, seed, steps, ()))
            write_run(sweep.root / name, period=steps // 2 + seed, environment="e", seed=seed)
    runs = summary.runs_table(sweep, plan)
    assert runs["measured_at"].tolist() == [20, 22, 40, 42]
    table = summary.settings_table(runs, ["agent", "env", "steps"])
    assert table["steps"].tolist() == ["20", "40"]
    assert table["measured_at"].tolist() == [20, 40]
    assert table["finished"].tolist() == ["0 of 2", "0 of 2"]


def test_arguments_of_the_environment_are_told_apart_in_the_picture(tmp_path, monkeypatch):
    sweep = SweepFolder(tmp_path / "sweep")
    sweep.create()
    plan = []
    for size in (4, 8):
        settings = {"agent": "some_agent", "env": "e", "env_set": f"size={size}"}
        plan.append(PlannedRun(str(size), settings, 0, 20, ()))
        write_run(sweep.root / str(size), environment="e", env_kwargs={"size": size})
    drawn = []
    monkeypatch.setattr(plots, "plot_panels", lambda panels, path, **_: drawn.append(panels))
    summary.write(sweep, plan)
    ((panel,),) = drawn
    assert list(panel.lines) == ["some_agent, size=4", "some_agent, size=8"]


def test_runs_without_actors_are_compared_by_what_was_held_out(tmp_path):
    sweep = SweepFolder(tmp_path / "sweep")
    sweep.create()
    plan = []
    for weight, held_out in (("0.1", [-3.0, -2.0]), ("1", [-3.0, -1.5])):
        settings = {"agent": "learns_alone", "demonstrations": "roads:3x3", "weight": weight}
        plan.append(PlannedRun(weight, settings, 0, 20, ()))
        config = {"weight": float(weight)}
        write_learned(sweep.root / weight, [-2.5, -1.0], held_out, config=config)
    measure, table, paths = summary.write(sweep, plan)
    assert measure.column == "held_out_log_likelihood"
    assert table["weight"].tolist() == ["1", "0.1"]
    assert table["mean"].tolist() == [-1.5, -2.0]
    assert table["steps"].tolist() == [2, 2]
    assert "| mean held-out log-likelihood (mean ± std) " in sweep.table.read_text()
    assert "| -1.500 " in sweep.table.read_text()
    assert sweep.picture in paths
    assert pd.read_csv(sweep.runs_table)["held_out_log_likelihood"].tolist() == [-1.5, -2.0]
    waiting = PlannedRun("2", {**plan[0].settings, "weight": "2"}, 0, 20, ())
    measure, table, _ = summary.write(sweep, [waiting])
    assert measure.column == "log_likelihood" and np.isnan(table["mean"][0])
