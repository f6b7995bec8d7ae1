"""Runs that an earlier version wrote can be evaluated, plotted, filmed, exported and resumed.

`tests/stored_runs/` has two folders that commit 666d82d wrote, before the modules moved: a run of
the local engine in which an actor was killed, and a sweep of two runs of the serial engine. To keep
them small, pictures, older checkpoints and most rows of the sweep's metrics were left out. Names of
the machine were replaced. Nothing else was changed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quinoa.agents.policies import standalone
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json
from tests.launch import forked
from tests.launch.commands.test_video import shows_a_scene
from tests.launch.helpers import ROOT

STORED = ROOT / "tests" / "stored_runs"
SERIAL = "sweep/000-tau=0.01-s0"
# What `quinoa evaluate --episodes=3 --seeds=5 --json` gave for them at that commit.
RETURNS = {
    "local": [8.39071, 8.338603, 8.239252],
    SERIAL: [6.849287, 6.885881, 6.912294],
}
WRITTEN_BY = "666d82d82ebc8c48aa66e47f1de58bb3edafcd91"


@pytest.fixture(autouse=True)
def all_in_this_process(same_environment_variables, shared_learners):
    """Commands are run in the tests' own process."""


@pytest.fixture
def stored(tmp_path) -> Path:
    """A copy of the stored runs, which a command may write to."""
    return Path(shutil.copytree(STORED, tmp_path / "runs"))


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of the program in a process of its own."""
    return forked.run(
        [sys.executable, "-m", "quinoa.launch.cli", *arguments], cwd=ROOT, timeout=250
    )


def test_they_are_what_that_commit_wrote():
    written = [read_json(path) for path in STORED.rglob("experiment.json")]
    assert len(written) == 3
    for experiment in written:
        assert experiment["git"]["revision"] == WRITTEN_BY
        assert not experiment["git"]["dirty"]
    size = sum(path.stat().st_size for path in STORED.rglob("*") if path.is_file())
    assert size < 300_000


@pytest.mark.parametrize("name", sorted(RETURNS))
def test_their_policies_score_what_they_scored(quinoa, name, tmp_path):
    path = tmp_path / "evaluation.json"
    arguments = ["--episodes=3", "--seeds=5", f"--json={path}"]
    status, _, err = quinoa("evaluate", str(STORED / name), *arguments)
    assert status == 0, err
    returns = [episode["return"] for episode in read_json(path)["episodes"]]
    # Single precision, whose rounding differs between processors.
    np.testing.assert_allclose(returns, RETURNS[name], rtol=1e-3)


def test_status_shows_a_run_with_its_restart(quinoa):
    status, out, err = quinoa("status", str(STORED / "local"))
    assert (status, err) == (0, "")
    assert "iq on control:cartpole:swingup  seed 3" in out
    assert "finished, final return 8.3 ± 0.2 (10 episodes)" in out
    assert "30k of 30k steps  0:33 gone" in out
    assert "saved: the learner at 3.9k gradient steps" in out
    assert "actor-1 failed: actor-1 was ended by SIGKILL" in " ".join(out.split())


def test_status_shows_a_sweep_and_its_runs(quinoa):
    status, out, err = quinoa("status", str(STORED / "sweep"))
    assert (status, err) == (0, "")
    assert "finished: 2 finished" in out
    for line in ("000-tau=0.01-s0", "100%  return 6.9  finished", "100%  return 6.3  finished"):
        assert line in out


def test_a_finished_sweep_is_resumed_without_running_anything(stored):
    folder = stored / "sweep"
    before = pd.read_csv(folder / "runs.csv")
    done = command("sweep", f"--resume={folder}")
    assert done.returncode == 0, done.stderr
    pd.testing.assert_frame_equal(pd.read_csv(folder / "runs.csv"), before)
    for run in (folder / "000-tau=0.01-s0", folder / "001-tau=0.03-s0"):
        assert not read_json(RunFolder(run).experiment).get("resumed")


def test_plot_draws_them_together_and_makes_a_table(quinoa, tmp_path):
    out, table = tmp_path / "curves.png", tmp_path / "table.csv"
    folders = [str(STORED / "local"), str(STORED / "sweep")]
    status, _, err = quinoa("plot", *folders, "--by=run", f"--out={out}", f"--table={table}")
    assert status == 0, err
    assert out.read_bytes().startswith(b"\x89PNG")
    found = pd.read_csv(table).set_index("label")
    assert found["mean"].round(2).to_dict() == {
        "iq, local": 8.33,
        "iq, 000-tau=0.01-s0": 6.92,
        "iq, 001-tau=0.03-s0": 6.32,
    }
    assert found["steps"].tolist() == [30584, 400, 400]


def test_video_films_one(tmp_path):
    """And MuJoCo draws, where there is something to draw with."""
    out = tmp_path / "swingup.mp4"
    flags = ["--episodes=1", "--size=64", "--length=2", f"--out={out}"]
    # MuJoCo decides on a renderer once in a process, at its import.
    done = command("video", str(STORED / "local"), *flags)
    if "cannot draw on this machine" in done.stderr:
        pytest.skip("neither EGL nor OSMesa is here")
    assert (done.returncode, done.stdout) == (0, f"{out}\n"), done.stderr
    # But for how far it is, on a machine that has much else to do.
    assert not [line for line in done.stderr.splitlines() if not line.endswith(" steps")]
    assert shows_a_scene(out)


def test_export_takes_the_policy_out(quinoa, tmp_path):
    out = tmp_path / "policy"
    status, _, err = quinoa("export", str(STORED / SERIAL), f"--out={out}")
    assert status == 0, err
    policy = standalone.Policy.load(out / "policy.npz")
    observations = np.array(
        [[0.1, 0.9, -0.4, 0.2, 0.3], [-0.5, -1.0, 0.1, 1.0, -2.0], [0.0, 1.0, 0.0, 0.0, 0.0]],
        np.float32,
    )
    # What the export of that commit gave. Single precision, whose rounding differs between
    # processors.
    np.testing.assert_allclose(policy.mode(observations), [[-0.2], [-0.8], [-0.2]], rtol=1e-5)
    densities = policy.log_prob(observations, np.zeros((3, 1), np.float32))
    np.testing.assert_allclose(densities, [-2.3500476, -2.8406851, -2.4007344], rtol=1e-4)


def metrics(folder: RunFolder) -> dict[str, pd.DataFrame]:
    return {role: pd.read_csv(folder.metrics(role)) for role in ("actor", "learner", "evaluator")}


@pytest.mark.parametrize("with_replay", [True, False])
def test_a_serial_run_is_resumed(quinoa, stored, with_replay):
    run = RunFolder(stored / SERIAL)
    before = metrics(run)
    flags = ["--resume_replay"] if with_replay else []
    # Without its replay, 200 transitions are needed before the first gradient step.
    arguments = [f"--resume={run.root}", "--engine=serial", "--steps=700", "--change=steps"]
    status, out, err = quinoa("train", *arguments, *flags)
    assert status == 0, err
    assert "400 steps" in out
    assert ("With up to 400 transitions in replay." in out) == with_replay
    after = metrics(run)
    for role, rows in before.items():
        assert len(after[role]) > len(rows)
        assert after[role]["learner_steps"].is_monotonic_increasing
        # Everything that was written stays as it was.
        pd.testing.assert_frame_equal(after[role].iloc[: len(rows)], rows, check_dtype=False)
    gained = after["learner"]["learner_steps"].iloc[-1] - 200
    assert gained == pytest.approx(300 if with_replay else 100, abs=30)
    assert read_json(run.result)["outcome"] == "finished"
    (resumed,) = read_json(run.experiment)["resumed"]
    assert resumed["actor_steps"] == 400


def test_a_run_of_the_local_engine_is_resumed_with_its_replay(stored):
    run = RunFolder(stored / "local")
    before = metrics(run)
    arguments = [f"--resume={run.root}", "--resume_replay", "--steps=31000", "--change=steps"]
    done = command("train", *arguments)
    assert done.returncode == 0, done.stderr
    assert "30584 steps" in done.stdout
    assert "With up to 2000 transitions in replay." in done.stdout
    after = metrics(run)
    for role, rows in before.items():
        pd.testing.assert_frame_equal(after[role].iloc[: len(rows)], rows, check_dtype=False)
    assert after["learner"]["learner_steps"].iloc[-1] > 3860
    assert after["learner"]["replay_size"].iloc[-1] == 2000
    assert read_json(run.result)["outcome"] == "finished"
