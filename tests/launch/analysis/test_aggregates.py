from __future__ import annotations

import numpy as np
import pytest

from quinoa.launch.analysis import aggregates, baseline, run_groups
from quinoa.launch.errors import RunError
from tests.launch.analysis.scored_runs import SCALES, TASKS, write_all
from tests.launch.written_runs import write_run


def test_scores_are_normalised_by_random_actions_and_the_baseline(groups):
    zeros = dict(zip(TASKS, [0.0, 0.0, 20.0], strict=True))
    by_environment = baseline.scales(groups, "base", zeros)
    assert by_environment == SCALES
    table = aggregates.aggregate_final(groups, by_environment).set_index("label")
    base, better = table.loc["base"], table.loc["better"]
    assert (base["tasks"], base["runs"], better["runs"]) == (3, 2, 3)
    for name in aggregates.AGGREGATES:
        assert base[name] == pytest.approx(100)
    # By hand: 20, 21, 22 of 10; 30, 31, 32 of 20; 0, 5 and 10 % more than 100.
    means = [210, 155, 105]
    assert better["mean"] == pytest.approx(np.mean(means))
    assert better["median"] == pytest.approx(155)
    # The middle half of 100, 105, 110, 150, 155, 160, 200, 210, 220: without two at each end.
    assert better["interquartile mean"] == pytest.approx(np.mean([110, 150, 155, 160, 200]))


def test_intervals_hold_the_value_and_are_the_same_each_time(groups):
    first, again = (aggregates.aggregate_final(groups, SCALES).iloc[0] for _ in range(2))
    assert first.equals(again)
    for name in aggregates.AGGREGATES:
        assert first[f"{name} low"] <= first[name] <= first[f"{name} high"]
    assert first["mean low"] < first["mean high"]
    # Least and greatest of means over resampled seeds.
    assert first["mean low"] >= 200 / 3 + 150 / 3 + 100 / 3
    assert first["mean high"] <= 220 / 3 + 160 / 3 + 110 / 3


def test_the_interval_is_the_bootstraps(tmp_path):
    """Against resampling by hand."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(8, 3, 1))
    found = aggregates.aggregated(values, np.zeros(1))
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
    aggregates.aggregate_final(groups, SCALES)
    assert np.random.rand() == expected


def test_curves_of_scores_go_from_random_to_the_final_ones(groups):
    result = aggregates.aggregate(groups, SCALES)
    better = result["better"]
    assert (better.x[0], better.x[-1]) == (0, 20)
    assert better.low is not None
    assert better.values.shape == better.low.shape == (3, len(better.x))
    # On the third task 0 is 20 below the zero of its scale.
    assert better.values[0, 0] == pytest.approx(-100 / 3)
    final = aggregates.aggregate_final(groups, SCALES).set_index("label").loc["better"]
    assert better.values[:, -1] == pytest.approx([final[name] for name in aggregates.AGGREGATES])


def test_one_run_a_task_has_no_interval(tmp_path):
    write_all(tmp_path, "base", [10.0, 20.0, 40.0])
    groups = run_groups.group(run_groups.find([tmp_path]))
    assert aggregates.aggregate(groups, SCALES)["base"].low is None
    row = aggregates.aggregate_final(groups, SCALES).iloc[0]
    assert np.isnan(row["mean low"])


def test_what_cannot_be_normalised_is_one_error(groups, tmp_path):
    zeros = dict.fromkeys(TASKS, 0.0)
    with pytest.raises(RunError, match="The baseline nobody has no runs on"):
        baseline.scales(groups, "nobody", zeros)
    with pytest.raises(RunError, match="is not above that of random actions"):
        baseline.scales(groups, "base", dict.fromkeys(TASKS, 99.0))
    write_run(tmp_path / "alone", agent="alone", environment=TASKS[0])
    some = run_groups.group(run_groups.find([tmp_path]))
    with pytest.raises(RunError, match="alone has no runs on control:b:b"):
        aggregates.aggregate_final(some, SCALES)
