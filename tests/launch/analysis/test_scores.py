from __future__ import annotations

import numpy as np

from quinoa.launch.analysis import run_groups, scores, tables
from tests.launch.analysis.scored_runs import TASKS
from tests.launch.written_runs import write_run


def test_final_scores_are_of_the_last_evaluations(tmp_path):
    run = run_groups.read(write_run(tmp_path, [0.0, 2.0, 4.0]))
    assert scores.final_score(run) == (4, 20)
    assert scores.final_score(run, last=2) == (3, 20)
    assert scores.final_score(run, last=9) == (2, 20)


def test_the_table_has_mean_and_std_over_seeds_the_best_first(groups):
    table = scores.final_table(groups)
    assert table["environment"].tolist() == [task for task in TASKS for _ in range(2)]
    assert table["label"].tolist()[:2] == ["better", "base"]
    first = table.iloc[0]
    assert (first["runs"], first["mean"], first["std"], first["steps"]) == (3, 21, 1, 20)
    assert (first["min"], first["max"]) == (20, 22)


def test_one_run_has_no_std(tmp_path):
    write_run(tmp_path / "a")
    table = scores.final_table(run_groups.group(run_groups.find([tmp_path])))
    assert np.isnan(table["std"][0])
    assert "±" not in tables.markdown(table).splitlines()[2]
