from __future__ import annotations

import numpy as np
import pytest

from agents import registry
from agents.learner import Learner
from launch import checkpoints, policy_picture
from launch.errors import RunError
from launch.experiment import Experiment
from launch.run_folder import RunFolder
from tests.launch.helpers import MATCH


def make_run(root, environment: str) -> RunFolder:
    """A run whose only checkpoint is that of a learner which has learned nothing."""
    agent = registry.load("iq_flow")
    experiment = Experiment(agent.name, agent.config, environment, steps=10)
    folder = RunFolder(root)
    folder.create()
    experiment.save(folder)
    learner = Learner(agent.agent_class, agent.config, experiment.spec(), seed=0)
    checkpoints.save(folder.checkpoints, learner, {})
    return folder


@pytest.fixture(scope="module")
def hopper(tmp_path_factory) -> RunFolder:
    return make_run(tmp_path_factory.mktemp("runs") / "hopper", "control:hopper:stand")


def test_draws_pairs_of_dimensions(hopper, tmp_path):
    path = policy_picture.draw_policy(hopper, tmp_path / "new" / "policy.png", step=3)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_draws_a_single_dimension(tmp_path):
    folder = make_run(tmp_path / "run", MATCH)
    path = policy_picture.draw_policy(folder, tmp_path / "policy.svg", step=0, num_actions=50)
    assert "density" in path.read_text()


def test_actions_are_the_policys_own_and_follow_from_the_seed(hopper):
    first, again, other = (
        policy_picture._sample(hopper, step=2, num_actions=4000, seed=seed) for seed in (0, 0, 1)
    )
    assert first.shape == (4000, 4)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    # A flow that has learned nothing is uniform.
    np.testing.assert_allclose(first.mean(axis=0), 0.0, atol=0.05)
    np.testing.assert_allclose(first.var(axis=0), 1 / 3, atol=0.03)


def test_a_dimension_that_has_collapsed_is_drawn_without_a_density(hopper, tmp_path, monkeypatch):
    actions = np.random.default_rng(0).uniform(-1, 1, (100, 4)).astype(np.float32)
    actions[:, 1] = 1.0
    actions[:, 3] = actions[:, 2]
    monkeypatch.setattr(policy_picture, "_sample", lambda *_: actions)
    policy_picture.draw_policy(hopper, tmp_path / "policy.png", step=0)


def test_a_run_without_a_checkpoint_is_one_error(tmp_path):
    folder = make_run(tmp_path / "run", MATCH)
    for checkpoint in folder.checkpoints.iterdir():
        checkpoint.rename(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="no checkpoint"):
        policy_picture.draw_policy(folder, tmp_path / "policy.png", step=0)
