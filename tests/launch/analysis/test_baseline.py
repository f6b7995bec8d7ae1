from __future__ import annotations

import pytest

from quinoa.launch.analysis import baseline
from quinoa.launch.analysis.baseline import Scale
from quinoa.launch.errors import RunError


def test_reads_a_baselines_scores(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("# From a paper.\nenvironment, score, random\na, 10, 1\nb, 20,\n")
    found = baseline.read_baseline(path)
    assert found == {"a": (10, 1), "b": (20, None)}
    assert baseline.scales_of_file(["a"], found, {"a": 1.0}) == {"a": Scale(1, 10)}
    with pytest.raises(RunError, match="no score for c"):
        baseline.scales_of_file(["c"], found, {"c": 1.0})
    for content in ("", "environment\na\n", "environment,score\na,high\n"):
        path.write_text(content)
        with pytest.raises(RunError, match="is no file of scores"):
            baseline.read_baseline(path)
    path.write_text("environment,score\na,\n")
    with pytest.raises(RunError, match="gives no score for a"):
        baseline.read_baseline(path)
