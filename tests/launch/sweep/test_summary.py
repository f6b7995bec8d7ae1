from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from quinoa.launch.analysis import plots
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
