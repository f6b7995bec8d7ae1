"""A run that begins with the networks of another, through the command line."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest

from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.helpers import MATCH
from tests.launch.runs import make_run

SMALL = {"hidden_sizes": (8,), "min_replay_size": 100, "batch_size": 16}
FLAGS = [
    *("--agent=ddpg", "--engine=serial", "--steps=200", "--num_actors=1", "--steps_per_call=5"),
    *("--environments_per_actor=2", "--samples_per_insert=16", "--evaluation_episodes=1"),
    *("--set=min_replay_size=100", "--set=batch_size=16"),
]


@pytest.fixture
def source(tmp_path) -> RunFolder:
    return make_run(tmp_path / "source[1]", MATCH, "ddpg", moved=0.05, **SMALL)


def test_a_run_begins_with_anothers_networks_and_says_which(quinoa, source, tmp_path):
    folder = tmp_path / "run"
    # Another reward's scale stands for another task; the settings differ too.
    status, out, err = quinoa(
        "train",
        f"--env={MATCH}",
        f"--folder={folder}",
        f"--init_from={source.root}",
        "--init_part=policy",
        "--set=hidden_sizes=8",
        # So slow that what was taken is still to be seen.
        "--set=actor_learning_rate=1e-9",
        "--set=discount=0.5",
        *FLAGS,
    )
    assert status == 0, err
    assert "begins with policy (" in out + err and "_target_policy (" in out + err
    (before,) = learner_checkpoints.all_of(source.checkpoints)
    after = learner_checkpoints.newest(RunFolder(folder).checkpoints)
    np.testing.assert_allclose(after.policy_parameters(), before.policy_parameters(), atol=1e-5)
    saved = json.loads(RunFolder(folder).experiment.read_text())["experiment"]
    assert saved["init_from"] == before.learner_prefix
    assert saved["init_part"] == "policy"

    # It goes on where the other run is gone: what it took is in its own checkpoint.
    resumed = ["train", f"--resume={folder}", "--change=steps", "--steps=320"]
    status, _, err = quinoa(*resumed, f"--init_from={tmp_path / 'another'}")
    assert status != 0
    assert "began with other networks" in err
    shutil.rmtree(source.root)
    status, _, err = quinoa(*resumed, f"--init_from={source.root}")
    assert status == 0, err
    # Without such a checkpoint it cannot.
    shutil.rmtree(RunFolder(folder).checkpoints)
    status, _, err = quinoa(*resumed)
    assert status != 0
    assert "--init_from: There is no checkpoint at" in err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("--set=hidden_sizes=9", "--init_from: The networks policy, .* cannot be taken"),
        ("--init_from=nowhere", "--init_from: There is no run at nowhere"),
    ],
)
def test_what_does_not_fit_is_one_error_before_anything_starts(
    quinoa, source, tmp_path, change, message
):
    flags = [f"--init_from={source.root}", "--set=hidden_sizes=8"]
    name = change.rpartition("=")[0]
    flags = [flag for flag in flags if not flag.startswith(name)]
    folder = tmp_path / "run"
    status, _, err = quinoa("train", f"--env={MATCH}", f"--folder={folder}", *flags, change, *FLAGS)
    assert status != 0
    assert "Traceback" not in err
    assert re.search(message, err.replace("\n", " ")), err
    assert not folder.exists()
