"""The examples of docs/runs.md, as they stand there."""

from __future__ import annotations

import re

import numpy as np
import pytest

from quinoa.agents.evaluation import EvaluationResult
from quinoa.launch.experiment.saved import save
from quinoa.launch.metrics.metrics_log import MetricsLog
from quinoa.launch.roles.metric_rows import evaluation_row
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.helpers import ROOT, experiment, replay_config

EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "runs.md").read_text(), re.DOTALL)


@pytest.fixture
def two_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed in (0, 1):
        folder = RunFolder(tmp_path / "runs" / f"run-{seed}")
        folder.create()
        save(experiment(seed=seed, samples_per_insert=None), folder)
        log = MetricsLog(folder)
        for steps in (0, 500):
            result = EvaluationResult(np.arange(5.0) + steps + seed, np.full(5, 7))
            log.write("evaluator", {"wall_time": 1.0, **evaluation_row(result, steps, steps // 2)})
        log.close()
    # What has not begun, and what is none.
    (tmp_path / "runs" / "empty").mkdir()
    (tmp_path / "runs" / "notes.txt").write_text("seed 1 is better")


def test_the_examples_with_pandas_read_runs(two_runs):
    names: dict[str, object] = {}
    for example in EXAMPLES:
        exec(compile(example, "docs/runs.md", "exec"), names)
    quartiles = names["quartiles"]
    assert quartiles.loc[("run-1", 500), 0.5] == 503  # type: ignore[attr-defined]
    assert quartiles.shape == (4, 3)  # type: ignore[attr-defined]
    settings = names["settings"]
    assert settings.loc["seed"].tolist() == ["0", "1"]  # type: ignore[attr-defined]
    # Nobody gave it, so it is the agent's.
    ratio = replay_config(experiment(samples_per_insert=None)).samples_per_insert
    assert settings.loc["samples_per_insert"].tolist() == [str(ratio)] * 2  # type: ignore[attr-defined]


def test_the_examples_show_what_differs(two_runs, capsys):
    names: dict[str, object] = {}
    for example in EXAMPLES:
        exec(compile(example, "docs/runs.md", "exec"), names)
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert last.split() == ["seed", "0", "1"]
