"""What commands do with runs whose observations are images, and with agents that take none."""

from __future__ import annotations

import importlib.util
import sys

import imageio_ffmpeg
import numpy as np
import pytest
import tensorflow as tf

import quinoa as quinoa_api
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.experiment.saved import load
from quinoa.launch.storage.files import read_json
from quinoa.launch.trained.evaluate import load_policy

BREAKOUT = "minatar:breakout"

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("minatar") is None, reason="MinAtar is not installed"
)


@pytest.fixture(params=["dqn", "iq"])
def breakout(request, run_of):
    return run_of(request.param, BREAKOUT)


def test_a_run_is_evaluated(quinoa, breakout):
    status, out, err = quinoa("evaluate", str(breakout.root), "--episodes=3")
    assert (status, err) == (0, "")
    assert out.startswith("Return: ")


def test_a_run_is_filmed(quinoa, breakout, tmp_path):
    path = tmp_path / "breakout.mp4"
    arguments = ["--episodes=1", "--size=64", "--length=3", "--sample", f"--out={path}"]
    status, out, err = quinoa("video", str(breakout.root), *arguments)
    assert (status, out, err) == (0, f"{path}\n", "")
    assert next(imageio_ffmpeg.read_frames(str(path)))["fps"] == 20


def test_a_policy_is_drawn_with_its_q(quinoa, breakout, tmp_path):
    path = tmp_path / "policy.svg"
    status, out, err = quinoa("policy", str(breakout.root), "--step=0", f"--out={path}")
    assert (status, out, err) == (0, f"{path}\n", "")
    text = path.read_text(encoding="utf-8")
    assert "V(s) = " in text and "Q(s, a)" in text and "π(a|s)" in text


def test_an_export_acts_on_images_by_numpy_alone(quinoa, breakout, tmp_path, monkeypatch):
    folder = tmp_path / "exported"
    status, out, _ = quinoa("export", str(breakout.root), f"--out={folder}")
    assert status == 0 and "NumPy alone" in out
    description = read_json(folder / "policy.json")
    assert description["image"] == {"dtype": "uint8", "maximum": 1}
    assert description["observation"] == [
        {"name": "observation", "shape": [10, 10, 4], "size": 400}
    ]
    images = (np.random.default_rng(0).uniform(size=(9, 10, 10, 4)) < 0.2).astype(np.uint8)
    signatures = tf.saved_model.load(str(folder / "saved_model")).signatures
    (mode,) = signatures["mode"](observation=tf.constant(images)).values()
    policy = load_policy(load(breakout), learner_checkpoints.newest(breakout.checkpoints))
    np.testing.assert_array_equal(mode, policy(tf.constant(images)).mode())
    monkeypatch.syspath_prepend(str(folder))
    sys.modules.pop("policy", None)
    exported = importlib.import_module("policy").Policy.load(folder / "policy.npz")
    sys.modules.pop("policy", None)
    np.testing.assert_array_equal(exported.mode(images), mode)


def test_its_policy_acts_on_the_games_own_boards(breakout):
    policy = quinoa_api.load(breakout.root).policy()
    boards = (np.random.default_rng(0).uniform(size=(9, 10, 10, 4)) < 0.2).astype(np.uint8)
    actions = policy(boards)
    assert actions.shape == (9,) and set(actions.tolist()) <= set(range(6))
    assert policy(boards[0]) == actions[0]
    with pytest.raises(ValueError, match="is of float64, not of uint8"):
        policy(boards.astype(float))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--agent=sac"], "takes actions from a box"),
        (
            ["--agent=tests.agents.tiny_discrete"],
            "This agent takes vectors, but the environment's observations are images, uint8 "
            "[10, 10, 4]: take an agent with convolutions, such as dqn, or an environment of "
            "vectors.",
        ),
        (
            ["--agent=dqn", "--set", "normalize_observations=true"],
            "normalize_observations = True is for vectors, but the environment's observations are "
            "images, uint8 [10, 10, 4], which networks scale themselves: leave it off.",
        ),
        (
            ["--agent=dqn", "--set", "convolutions=nature"],
            "convolutions = 'nature' cannot work: it must be one for images of 10 × 10, and it "
            "takes 36 × 36 or more.",
        ),
    ],
)
def test_what_cannot_work_is_refused_in_one_sentence(quinoa, tmp_path, given, message):
    folder = tmp_path / "folder"
    arguments = [*given, f"--env={BREAKOUT}", "--engine=serial", "--steps=20000"]
    status, _, err = quinoa("train", *arguments, f"--folder={folder}")
    assert status == 2
    last = err.splitlines()[-1]
    assert last.startswith("quinoa: The agent ") and message in last
    assert not folder.exists()


def test_a_flat_board_is_for_agents_of_vectors(quinoa, tmp_path):
    given = ["--agent=tests.agents.tiny_discrete", f"--env={BREAKOUT}", "--env_set=flat=true"]
    sizes = ["--engine=serial", "--steps=400", "--evaluation_episodes=1"]
    status, _, err = quinoa("train", *given, *sizes, f"--folder={tmp_path / 'run'}")
    assert status == 0, err
    # On a machine that has much else to do, how far it is.
    assert all("steps/s" in line for line in err.splitlines()), err
