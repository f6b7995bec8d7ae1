"""Figures of small tasks, made from the start: they show what the papers say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

GOALS = 5.0 * np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_soft_q_learning_reaches_every_goal_where_others_have_one_or_two(quinoa, tmp_path):
    folder = tmp_path / "figure"
    status, _, err = quinoa("figure", "sql-1", f"--folder={folder}", "--at_once=1")
    assert status == 0, err
    ends = pd.read_csv(folder / "sql-1.csv")
    shares = {}
    for line, of_line in ends.groupby("line"):
        assert len(of_line) == 400
        distances = np.linalg.norm(of_line[["x", "y"]].to_numpy()[:, None] - GOALS, axis=-1)
        reached = distances.min(axis=1) < 1.0
        counts = np.bincount(distances.argmin(axis=1)[reached], minlength=4)
        shares[line] = counts / len(of_line)
    assert shares["Soft Q-learning"].min() >= 0.15, shares
    for other in ("SAC", "DDPG"):
        assert np.count_nonzero(shares[other] >= 0.15) <= 2, shares


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_smoothie_leaves_the_local_optimum_and_ddpg_stays(quinoa, tmp_path):
    folder = tmp_path / "figure"
    status, _, err = quinoa("figure", "smoothie-1", f"--folder={folder}", "--at_once=1")
    assert status == 0, err
    table = pd.read_csv(folder / "smoothie-1.csv")
    last = table.groupby(["metric", "line", "run"])["value"].last()
    assert last["mean_action", "Smoothie"].between(0.65, 0.9).tolist() == [True] * 5
    assert last["mean_action", "DDPG"].abs().max() < 0.25
    for _, of_run in table[table["metric"] == "stddev"].groupby(["line", "run"]):
        stddev = of_run["value"].to_numpy()
        if of_run["line"].iloc[0] == "DDPG":
            assert np.ptp(stddev) == 0
            continue
        rise = stddev / np.minimum.accumulate(stddev)
        top = int(np.argmax(rise))
        # It falls, rises and falls.
        assert stddev[0] > 1.01 * stddev[: top + 1].min()
        assert rise[top] > 1.05 and stddev[top] > 1.5 * stddev[-1]
