from __future__ import annotations

import fnmatch
import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quinoa.launch.errors import RunError
from quinoa.launch.storage.files import write_json
from quinoa.launch.sweep.paper_figures import drawing
from tests.launch.factories import RANDOM_RETURN
from tests.launch.helpers import MATCH
from tests.launch.runs import make_run
from tests.launch.sweep.paper_figures.made import TASKS, begin, finish, make_figure

PNG = b"\x89PNG"
LINES = [{"label": "Base", "agent": "sac"}, {"label": "Better", "agent": "iq"}]
# By hand: 200 and 210 % on the first task, 150 and 155 % on the second.
FINALS = {
    **{("Base", TASKS[0], seed): 10.0 for seed in (0, 1)},
    **{("Base", TASKS[1], seed): 20.0 for seed in (0, 1)},
    **{("Better", TASKS[0], seed): 20.0 + seed for seed in (0, 1)},
    **{("Better", TASKS[1], seed): 30.0 + seed for seed in (0, 1)},
}


def draw(folder) -> pd.DataFrame:
    """Draws a figure, and gives its numbers."""
    paths = drawing.draw(folder, folder.sweep.load())
    assert all(path.is_file() for path in paths)
    assert paths[0].read_bytes().startswith(PNG)
    return pd.read_csv(folder.table)


@pytest.fixture
def normalized(tmp_path):
    figure = make_figure("normalized", LINES, baseline="Base")
    folder = begin(tmp_path / "figure", figure)
    # What random actions get there is known, as after it was drawn once.
    folder.baseline.write_text("environment,score,random\ncontrol:a:a,1,0\ncontrol:b:b,1,0\n")
    return folder


def test_scores_are_in_per_cent_of_the_baselines_final_ones(normalized, capsys):
    finish(normalized, FINALS)
    table = draw(normalized)
    assert set(table["line"]) == {"Base", "Better"}
    last = table[table["steps"] == 20].set_index(["line", "aggregate"])
    assert last.loc[("Base", "mean"), "score"] == pytest.approx(100)
    better = last.loc[("Better", "mean")]
    assert better["score"] == pytest.approx(np.mean([205, 152.5]))
    assert 175 <= better["low"] <= better["score"] <= better["high"] <= 182.5
    assert better["low"] < better["high"]
    assert better["runs"] == 2
    first = table[table["steps"] == 0]
    assert first["score"].tolist() == pytest.approx([0] * 6)
    scores = pd.read_csv(normalized.baseline)
    assert scores.to_numpy().tolist() == [[TASKS[0], 10, 0], [TASKS[1], 20, 0]]
    runs = pd.read_csv(normalized.sweep.runs_table)
    assert len(runs) == 8 and set(runs["state"]) == {"finished"}
    out, err = capsys.readouterr()
    assert "178.8" in out and err == ""


def test_random_actions_are_played_once(tmp_path):
    figure = make_figure("normalized", LINES, baseline="Base", environments=[MATCH], seeds=1)
    folder = begin(tmp_path / "figure", figure)
    finish(folder, {("Base", MATCH, 0): 10 + RANDOM_RETURN, ("Better", MATCH, 0): 9.0})
    table = draw(folder)
    assert table["low"].isna().all()
    (zero,) = pd.read_csv(folder.baseline)["random"]
    assert zero == pytest.approx(RANDOM_RETURN, rel=0.2)
    folder.baseline.write_text(f"environment,score,random\n{MATCH},1,5\n")
    draw(folder)
    assert pd.read_csv(folder.baseline)["random"].tolist() == [5]


def test_only_finished_runs_are_drawn_and_what_is_missing_is_said(normalized, capsys):
    with pytest.raises(RunError, match="is finished: there is nothing to draw"):
        draw(normalized)
    first = {key: final for key, final in FINALS.items() if key[2] == 0}
    finish(normalized, {key: final for key, final in first.items() if key[0] == "Better"})
    with pytest.raises(RunError, match="No run of Base, whose score is 100 %, is finished"):
        draw(normalized)
    finish(normalized, {("Base", TASKS[0], 0): 10.0})
    capsys.readouterr()
    table = draw(normalized)
    assert capsys.readouterr().err.splitlines() == [
        "quinoa: note: drawn from 3 of 8 runs, those that are finished.",
        f"quinoa: note: {TASKS[1]} left out, without a finished run of Base.",
    ]
    assert table[table["line"] == "Better"]["score"].max() == pytest.approx(200)
    finish(normalized, first)
    stopped = next(p for p in normalized.sweep.load() if p.settings["line"] == "Better")
    write_json(normalized.sweep.run(stopped).result, {"outcome": "stopped"})
    table = draw(normalized)
    assert set(table["line"]) == {"Base"}
    assert "note: Better left out, without a finished run in some" in capsys.readouterr().err


def test_a_task_on_which_the_baseline_is_no_better_than_random_actions_is_left_out(
    normalized, capsys
):
    finish(normalized, {**FINALS, **{("Base", TASKS[0], seed): -1.0 for seed in (0, 1)}})
    table = draw(normalized)
    assert capsys.readouterr().err.splitlines() == [
        f"quinoa: note: left out: On {TASKS[0]} the baseline's score, -1.0, is not above that of "
        "random actions, 0.0: nothing can be measured by it."
    ]
    last = table[table["steps"] == 20].set_index(["line", "aggregate"])
    assert last.loc[("Better", "mean"), "score"] == pytest.approx(152.5)
    # Its scores are kept: random actions are not played again for it.
    scores = pd.read_csv(normalized.baseline)
    assert scores.to_numpy().tolist() == [[TASKS[0], -1, 0], [TASKS[1], 20, 0]]


def test_a_baseline_no_better_than_random_actions_on_any_task_is_one_error(normalized):
    finish(normalized, {key: -1.0 for key in FINALS if key[0] == "Base"})
    with pytest.raises(RunError, match=f"On {TASKS[0]} .* is not above that of random actions"):
        draw(normalized)


def test_final_returns_by_the_value_of_a_setting(tmp_path):
    lines: list[dict[str, Any]] = [
        {"label": f"tau={tau}", "agent": "iq", "set": {"tau": tau}} for tau in (1.0, 0.01, 0.1)
    ]
    figure = make_figure("by_setting", lines, setting="tau", seeds=3)
    folder = begin(tmp_path / "figure", figure)
    finals = {
        (line["label"], task, seed): 10.0 * index + seed
        for (index, line), task, seed in itertools.product(enumerate(lines), TASKS, range(3))
    }
    # Of one value there is a single run.
    del finals["tau=1.0", TASKS[0], 1], finals["tau=1.0", TASKS[0], 2]
    finish(folder, finals)
    table = draw(folder)
    assert table.columns.tolist() == ["environment", "tau", "return", "low", "high", "runs"]
    of_first = table[table["environment"] == TASKS[0]]
    assert of_first["tau"].tolist() == [0.01, 0.1, 1.0]
    assert of_first["return"].tolist() == pytest.approx([11, 21, 0])
    assert of_first["runs"].tolist() == [3, 3, 1]
    assert np.isnan(of_first["low"]).tolist() == [False, False, True]
    assert 10 <= of_first["low"].iloc[0] < 11 < of_first["high"].iloc[0] <= 12
    of_second = table[table["environment"] == TASKS[1]]
    assert of_second["return"].tolist() == pytest.approx([11, 21, 1])


def test_curves_are_the_median_the_least_and_the_greatest(tmp_path):
    figure = make_figure("curves", LINES, seeds=3)
    folder = begin(tmp_path / "figure", figure)
    returns = {0: 2.0, 1: 4.0, 2: 12.0}
    finish(folder, {("Base", TASKS[0], seed): value for seed, value in returns.items()})
    table = draw(folder)
    assert table["steps"].tolist() == [0, 10, 20]
    assert table["median"].tolist() == pytest.approx([0, 2, 4])
    assert table["min"].tolist() == pytest.approx([0, 1, 2])
    assert table["max"].tolist() == pytest.approx([0, 6, 12])
    assert table["runs"].tolist() == [3, 3, 3]


def test_claims_are_a_table_of_what_holds(tmp_path, capsys):
    """On the first task alone the better line is clearly so; on the second one line is missing."""
    claim = {"text": "it is better", "line": "Better", "relation": "better", "other": "Base"}
    folder = begin(tmp_path / "figure", make_figure("curves", LINES, claims=[claim]))
    missing = ("Better", TASKS[1])
    finish(folder, {key: final for key, final in FINALS.items() if key[:2] != missing})
    draw(folder)
    (row,) = pd.read_csv(folder.claims).to_dict("records")
    # Each run's three evaluations are 0, half its final return, and that.
    assert row == {
        "environment": TASKS[0],
        "claim": "it is better",
        "line": "Better",
        "relation": "better",
        "other": "Base",
        "median": pytest.approx(10.25),
        "min": 10.0,
        "max": 10.5,
        "runs": 2,
        "other median": 5.0,
        "other min": 5.0,
        "other max": 5.0,
        "other runs": 2,
        "holds": "yes",
    }
    assert "it is better" in capsys.readouterr().out


def test_a_claim_of_some_tasks_is_compared_in_them_alone(tmp_path):
    claim = {"text": "it is better", "line": "Better", "relation": "better", "other": "Base"}
    of_second = {**claim, "environments": [f"{TASKS[1][:-1]}?"]}
    assert not fnmatch.fnmatch(TASKS[0], of_second["environments"][0])
    folder = begin(tmp_path / "figure", make_figure("curves", LINES, claims=[claim, of_second]))
    finish(folder, FINALS)
    draw(folder)
    assert pd.read_csv(folder.claims)["environment"].tolist() == [*TASKS, TASKS[1]]


def test_what_others_began_with_is_not_drawn(tmp_path):
    before = {"label": "Before", "agent": "iq", "environment": TASKS[0]}
    figure = make_figure("curves", LINES, environments=[TASKS[0]], seeds=1, pretraining=[before])
    folder = begin(tmp_path / "figure", figure)
    finish(folder, {("Before", TASKS[0], 0): 9.0})
    with pytest.raises(RunError, match="Only runs of pre-training"):
        draw(folder)
    finish(folder, {("Base", TASKS[0], 0): 2.0})
    assert set(draw(folder)["line"]) == {"Base"}


def test_the_best_episode_so_far(tmp_path):
    figure = make_figure("best", LINES, environments=[TASKS[0]], seeds=1)
    folder = begin(tmp_path / "figure", figure)
    finish(folder, {("Base", TASKS[0], 0): 2.0})
    run = folder.sweep.run(folder.sweep.load()[0])
    returns = {
        "wall_time": [1.0, 2.0, 3.0, 4.0],
        "actor_steps": [5, 10, 15, 20],
        "learner_steps": [0, 1, 2, 3],
        "episode_return": [1.0, 4.0, 2.0, 5.0],
    }
    pd.DataFrame(returns).to_csv(run.metrics("actor"), index=False)
    table = draw(folder)
    assert table.columns.tolist() == ["environment", "line", "run", "steps", "return"]
    assert table["steps"].tolist() == [5, 10, 15, 20]
    assert table["return"].tolist() == [1.0, 4.0, 4.0, 5.0]


def test_metrics_of_the_learner_along_training(tmp_path):
    """A line whose agent has no such metric is left out of its panel."""
    figure = make_figure("metrics", LINES, environments=[TASKS[0]], metrics=["value", "stddev"])
    folder = begin(tmp_path / "figure", figure)
    finish(folder, {key: final for key, final in FINALS.items() if key[1] == TASKS[0]})
    for planned in folder.sweep.load():
        metrics = {"learner_steps": [10, 20], "actor_steps": [5, 10], "value": [1.0, 2.0]}
        if planned.settings["line"] == "Base":
            metrics["stddev"] = [0.5, 0.25 * (1 + planned.seed)]
        pd.DataFrame(metrics).to_csv(folder.sweep.run(planned).metrics("learner"), index=False)
    table = draw(folder)
    assert table.columns.tolist() == ["environment", "metric", "line", "run", "steps", "value"]
    of_stddev = table[table["metric"] == "stddev"]
    assert set(of_stddev["line"]) == {"Base"}
    assert of_stddev["value"].tolist() == [0.5, 0.25, 0.5, 0.5]
    assert of_stddev["run"].tolist() == [0, 0, 1, 1]
    of_value = table[table["metric"] == "value"]
    assert of_value["line"].value_counts().to_dict() == {"Base": 4, "Better": 4}
    assert of_value["steps"].tolist() == [5, 10] * 4


def test_an_agent_in_a_plane(tmp_path):
    plane = "didactic:multi_goal"
    lines = [{"label": "A", "agent": "sql"}, {"label": "B", "agent": "ddpg"}]
    figure = make_figure("plane", lines, environments=[plane], seeds=1, points=[[0, 0]], episodes=4)
    folder = begin(tmp_path / "figure", figure)
    for planned in folder.sweep.load():
        root = folder.sweep.run(planned).root
        run = make_run(root, plane, planned.settings["agent"], hidden_sizes=(8,))
        write_json(run.result, {"outcome": "finished"})
    table = draw(folder)
    assert table.columns.tolist() == ["line", "x", "y", "return"]
    assert table["line"].value_counts().to_dict() == {"A": 4, "B": 4}


def test_actions_of_a_policy_in_several_states(tmp_path):
    figure = make_figure(
        "policy",
        [{"label": "A", "agent": "iq"}],
        environments=[MATCH],
        seeds=1,
        states=[0, 3],
        actions=50,
    )
    folder = begin(tmp_path / "figure", figure)
    (planned,) = folder.sweep.load()
    run = make_run(folder.sweep.run(planned).root, MATCH, "iq", moved=0.05)
    write_json(run.result, {"outcome": "finished"})
    table = draw(folder)
    assert table.columns.tolist() == ["state", "action_1"]
    assert table["state"].value_counts().to_dict() == {"step 0": 50, "step 3": 50}
    # One of eleven bins each.
    assert set(np.round(table["action_1"] * 5).astype(int)) <= set(range(-5, 6))
