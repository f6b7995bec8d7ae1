from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment.saved import load
from quinoa.launch.trained import plane_picture
from quinoa.launch.trained.evaluate import load_agent
from quinoa.launch.trained.plane_picture import Trained
from tests.launch.helpers import MATCH
from tests.launch.runs import make_run

SMALL: dict[str, Any] = {"hidden_sizes": (8,)}


def trained(folder):
    return Trained(load(folder), learner_checkpoints.newest(folder.checkpoints))


def test_it_draws_every_line_and_writes_where_its_episodes_ended(tmp_path):
    """Of a policy without a mode, and of one without a Q-function."""
    runs = {
        "SQL": trained(make_run(tmp_path / "sql", "didactic:multi_goal", "sql", **SMALL)),
        "IQ": trained(make_run(tmp_path / "iq", "didactic:multi_goal", "iq", **SMALL)),
    }
    path, table = tmp_path / "plane.png", tmp_path / "plane.csv"
    points = [(-2.0, 0.0), (0.0, 0.0)]
    plane_picture.draw_plane(runs, path, points=points, num_episodes=5, table=table)
    assert path.read_bytes().startswith(b"\x89PNG")
    rows = pd.read_csv(table)
    assert rows["line"].value_counts().to_dict() == {"SQL": 5, "IQ": 5}
    assert rows[["x", "y"]].abs().to_numpy().max() <= 7.0
    assert rows["return"].max() < 0


def test_walks_begin_at_the_start_and_end_with_their_episodes(tmp_path):
    folder = make_run(tmp_path / "run", "didactic:multi_goal", "sql", **SMALL)
    run = trained(folder)
    agent = load_agent(*run)
    walks = plane_picture.walks(agent, run.experiment, 6, seed=0)
    assert len(walks) == 6
    for walk in walks:
        assert walk.positions.shape[1] == 2
        # 20 steps, unless a goal was reached.
        assert 2 <= len(walk.positions) <= 21
        assert np.abs(walk.positions[0]).max() < 1.0
        moved = np.diff(walk.positions, axis=0)
        assert 0 < np.abs(moved).max() <= 1.0 + 1e-5
    again = plane_picture.walks(agent, run.experiment, 6, seed=0)
    np.testing.assert_array_equal(walks[2].positions, again[2].positions)


def test_another_task_is_refused(tmp_path):
    run = trained(make_run(tmp_path / "run", MATCH, "iq", **SMALL))
    with pytest.raises(ExperimentError, match="no task in a plane"):
        plane_picture.walks(load_agent(*run), run.experiment, 2, seed=0)
