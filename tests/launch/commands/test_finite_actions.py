"""What commands do with runs whose actions are a finite set, and with agents that take none."""

from __future__ import annotations

import imageio_ffmpeg
import numpy as np
import pytest
import tensorflow as tf

from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.experiment.saved import load
from quinoa.launch.storage.files import read_json
from quinoa.launch.trained.evaluate import load_policy

LAKE = "toy:FrozenLake-v1"


@pytest.fixture
def lake(run_of):
    return run_of("tests.agents.tiny_discrete", LAKE)


def test_a_run_is_evaluated(quinoa, lake):
    status, out, err = quinoa("evaluate", str(lake.root), "--episodes=3")
    assert (status, err) == (0, "")
    assert out.startswith("Return: ")


def test_a_run_is_filmed_without_a_screen(quinoa, lake, tmp_path, monkeypatch):
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    path = tmp_path / "lake.mp4"
    arguments = ["--episodes=1", "--size=64", "--length=3", "--sample", f"--out={path}"]
    status, out, err = quinoa("video", str(lake.root), *arguments)
    assert (status, out, err) == (0, f"{path}\n", "")
    assert next(imageio_ffmpeg.read_frames(str(path)))["fps"] == 4


def test_a_policy_is_drawn(quinoa, lake, tmp_path):
    path = tmp_path / "policy.svg"
    status, out, err = quinoa("policy", str(lake.root), "--step=0", f"--out={path}")
    assert (status, out, err) == (0, f"{path}\n", "")
    assert "V(s) = " in path.read_text(encoding="utf-8")


def test_an_export_says_what_its_actions_are(quinoa, lake, tmp_path):
    folder = tmp_path / "policy"
    status, _, _ = quinoa("export", str(lake.root), f"--out={folder}")
    assert status == 0
    assert read_json(folder / "policy.json")["action"] == {"number": 4}
    states = tf.eye(16)
    signatures = tf.saved_model.load(str(folder / "saved_model")).signatures
    (mode,) = signatures["mode"](observation=states).values()
    policy = load_policy(load(lake), learner_checkpoints.newest(lake.checkpoints))
    assert mode.dtype == tf.int32
    np.testing.assert_array_equal(mode, policy(states).mode())


@pytest.mark.parametrize("command", [["train"], ["sweep", "--seeds=2"]], ids=lambda of: of[0])
def test_an_agent_for_continuous_actions_is_refused_in_one_sentence(quinoa, tmp_path, command):
    folder = tmp_path / "folder"
    given = ["--agent=sac", f"--env={LAKE}", "--engine=serial", "--steps=20000"]
    status, _, err = quinoa(*command, *given, f"--folder={folder}")
    assert status == 2
    assert err.splitlines()[-1] == (
        f"quinoa: The agent sac cannot be made for {LAKE}: This agent takes actions from a box "
        "(environments.make brings continuous ones to float32 vectors [A] in [-1, 1]), but the "
        "environment's actions are one of 4: take an agent for finite sets of actions, or another "
        "environment."
    )
    assert not folder.exists()


def test_an_agent_without_a_choice_of_deterministic_actions_says_so(quinoa, lake):
    status, out, err = quinoa("evaluate", str(lake.root), "--deterministic_action=mean")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "tests.agents.tiny_discrete has one deterministic action only" in err
