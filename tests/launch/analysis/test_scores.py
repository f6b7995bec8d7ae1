from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from quinoa.launch.analysis import run_groups, scores
from quinoa.launch.analysis.scores import Scale
from quinoa.launch.errors import RunError
from tests.launch.written_runs import write_run

TASKS = ("control:a:a", "control:b:b", "control:c:c")


def write_all(root, agent, finals, num_runs=1, spread=0.0):
    """Runs whose last evaluations are, for the i-th task, finals[i] and `spread` more a seed."""
    for task, final in zip(TASKS, finals, strict=True):
        for seed in range(num_runs):
            write_run(
                root / f"{agent}-{task[-1]}-{seed}",
                [0.0, final / 2, final + spread * seed],
                agent=agent,
                environment=task,
                seed=seed,
            )


@pytest.fixture
def groups(tmp_path):
    write_all(tmp_path, "base", [10.0, 20.0, 40.0], num_runs=2)
    write_all(tmp_path, "better", [20.0, 30.0, 40.0], num_runs=3, spread=1.0)
    return run_groups.group(run_groups.find([tmp_path]))


SCALES = dict(zip(TASKS, [Scale(0, 10), Scale(0, 20), Scale(20, 40)], strict=True))


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
    assert "±" not in scores.markdown(table).splitlines()[2]


def test_tables_are_written_whole_as_csv_and_short_as_markdown(groups, tmp_path):
    table = scores.final_table(groups)
    scores.write_table(table, tmp_path / "new" / "table.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "new" / "table.csv"), table)
    scores.write_table(table, tmp_path / "table.md")
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert "return (mean ± std)" in lines[0]
    assert "21.0 ± 1.0" in lines[2]
    with pytest.raises(RunError, match=r"neither \.csv nor \.md"):
        scores.write_table(table, tmp_path / "table.xls")


def test_what_was_typed_stays_in_a_table_as_it_was_typed():
    assert "| 0.010 " in scores.markdown(pd.DataFrame({"tau": ["0.010"], "mean": [1.0]}))


def test_scores_are_normalised_by_random_actions_and_the_baseline(groups):
    zeros = dict(zip(TASKS, [0.0, 0.0, 20.0], strict=True))
    by_environment = scores.scales(groups, "base", zeros)
    assert by_environment == SCALES
    table = scores.aggregate_final(groups, by_environment).set_index("label")
    base, better = table.loc["base"], table.loc["better"]
    assert (base["tasks"], base["runs"], better["runs"]) == (3, 2, 3)
    for name in scores.AGGREGATES:
        assert base[name] == pytest.approx(100)
    # By hand: 20, 21, 22 of 10; 30, 31, 32 of 20; 0, 5 and 10 % more than 100.
    means = [210, 155, 105]
    assert better["mean"] == pytest.approx(np.mean(means))
    assert better["median"] == pytest.approx(155)
    # The middle half of 100, 105, 110, 150, 155, 160, 200, 210, 220: without two at each end.
    assert better["interquartile mean"] == pytest.approx(np.mean([110, 150, 155, 160, 200]))


def test_intervals_hold_the_value_and_are_the_same_each_time(groups):
    first, again = (scores.aggregate_final(groups, SCALES).iloc[0] for _ in range(2))
    assert first.equals(again)
    for name in scores.AGGREGATES:
        assert first[f"{name} low"] <= first[name] <= first[f"{name} high"]
    assert first["mean low"] < first["mean high"]
    # Least and greatest of means over resampled seeds.
    assert first["mean low"] >= 200 / 3 + 150 / 3 + 100 / 3
    assert first["mean high"] <= 220 / 3 + 160 / 3 + 110 / 3


def test_the_interval_is_the_bootstraps(tmp_path):
    """Against resampling by hand."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(8, 3, 1))
    found = scores._aggregated(values, np.zeros(1))
    draws = rng.integers(8, size=(20_000, 8, 3))
    resampled = np.take_along_axis(values[None, ..., 0], draws, axis=1).mean(axis=(1, 2))
    low, high = np.percentile(resampled, [2.5, 97.5])
    assert found.low is not None and found.high is not None
    assert found.low[0, 0] == pytest.approx(low, abs=0.05)
    assert found.high[0, 0] == pytest.approx(high, abs=0.05)


def test_rliables_draws_leave_numpys_own_as_they_were(groups):
    np.random.seed(7)
    expected = np.random.rand()
    np.random.seed(7)
    scores.aggregate_final(groups, SCALES)
    assert np.random.rand() == expected


def test_curves_of_scores_go_from_random_to_the_final_ones(groups):
    result = scores.aggregate(groups, SCALES)
    better = result["better"]
    assert (better.x[0], better.x[-1]) == (0, 20)
    assert better.low is not None
    assert better.values.shape == better.low.shape == (3, len(better.x))
    # On the third task 0 is 20 below the zero of its scale.
    assert better.values[0, 0] == pytest.approx(-100 / 3)
    final = scores.aggregate_final(groups, SCALES).set_index("label").loc["better"]
    assert better.values[:, -1] == pytest.approx([final[name] for name in scores.AGGREGATES])


def test_one_run_a_task_has_no_interval(tmp_path):
    write_all(tmp_path, "base", [10.0, 20.0, 40.0])
    groups = run_groups.group(run_groups.find([tmp_path]))
    assert scores.aggregate(groups, SCALES)["base"].low is None
    row = scores.aggregate_final(groups, SCALES).iloc[0]
    assert np.isnan(row["mean low"])


def test_what_cannot_be_normalised_is_one_error(groups, tmp_path):
    zeros = dict.fromkeys(TASKS, 0.0)
    with pytest.raises(RunError, match="The baseline nobody has no runs on"):
        scores.scales(groups, "nobody", zeros)
    with pytest.raises(RunError, match="is not above that of random actions"):
        scores.scales(groups, "base", dict.fromkeys(TASKS, 99.0))
    write_run(tmp_path / "alone", agent="alone", environment=TASKS[0])
    some = run_groups.group(run_groups.find([tmp_path]))
    with pytest.raises(RunError, match="alone has no runs on control:b:b"):
        scores.aggregate_final(some, SCALES)


def test_reads_a_baselines_scores(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("# From a paper.\nenvironment, score, random\na, 10, 1\nb, 20,\n")
    found = scores.read_baseline(path)
    assert found == {"a": (10, 1), "b": (20, None)}
    assert scores.scales_of_file(["a"], found, {"a": 1.0}) == {"a": Scale(1, 10)}
    with pytest.raises(RunError, match="no score for c"):
        scores.scales_of_file(["c"], found, {"c": 1.0})
    for content in ("", "environment\na\n", "environment,score\na,high\n"):
        path.write_text(content)
        with pytest.raises(RunError, match="is no file of scores"):
            scores.read_baseline(path)
    path.write_text("environment,score\na,\n")
    with pytest.raises(RunError, match="gives no score for a"):
        scores.read_baseline(path)
