from __future__ import annotations

import pytest

from quinoa.launch.analysis import comparison, measures, run_groups, scores, tables
from quinoa.launch.analysis.measures import HELD_OUT, LEARNED_FROM, RETURN
from quinoa.launch.errors import RunError
from tests.launch.written_runs import write_learned, write_run


def test_returns_are_compared_where_actors_acted(tmp_path):
    run = run_groups.read(write_run(tmp_path / "run", [1.0, 2.0]))
    assert measures.of([run]) == measures.of([]) == RETURN
    assert measures.has_measured(run)
    assert RETURN.curve(run, "updates").x.tolist() == [0, 5]
    assert not measures.has_measured(run_groups.read(write_run(tmp_path / "none", [])))


def test_held_out_demonstrations_are_compared_where_each_run_has_some(tmp_path):
    one = run_groups.read(write_learned(tmp_path / "one", [-3.0, -2.0, -1.0], [None, -4.0, -2.5]))
    assert measures.of([one]) == HELD_OUT
    assert HELD_OUT.curve(one).x.tolist() == [2, 3]
    assert scores.final_score(one, measure=HELD_OUT) == (-2.5, 3)
    other = run_groups.read(write_learned(tmp_path / "other", [-3.0, -2.0]))
    assert measures.of([one, other]) == LEARNED_FROM
    assert scores.final_score(other, 2, LEARNED_FROM) == (-2.5, 2)
    assert measures.has_measured(other)
    assert [LEARNED_FROM.axis(asked) for asked in ("steps", "hours")] == ["updates", "hours"]
    acted = run_groups.read(write_run(tmp_path / "acted"))
    with pytest.raises(RunError, match="2 learned from demonstrations alone and have no returns"):
        measures.of([one, other, acted])


def test_such_runs_have_panels_and_tables(tmp_path):
    for seed, last in enumerate((-1.0, -1.5)):
        write_learned(tmp_path / f"run-{seed}", [-3.0, last], [-4.0, last - 1], seed=seed)
    groups = comparison.groups_of([tmp_path])
    measure = comparison.measure_of(groups)
    (panel,) = comparison.panels_of(groups, measure)
    assert panel.title == "roads:3x3"
    assert [curve.y.tolist() for curve in panel.lines["learns_alone"]] == [[-4, -2], [-4, -2.5]]
    table = scores.final_table(groups, 1, measure)
    assert table["mean"].tolist() == [-2.25]
    assert "| -2.250 ± 0.354 " in tables.markdown(table, measure)
