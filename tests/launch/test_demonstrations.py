"""Runs that learn from demonstrations beside their actors, through the command line."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from quinoa.agents import registry
from quinoa.agents.replay.mixed import FixedTransitions
from quinoa.demonstrations.episodes import Episode
from quinoa.environments import Layout
from quinoa.environments.layout import Part
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import Experiment
from quinoa.launch.run.run_folder import RunFolder
from tests.demonstrations.datasets import written
from tests.launch.helpers import MATCH

pytestmark = pytest.mark.skipif(
    find_spec("minari") is None, reason="the extra minari is not installed"
)

FLAGS = [
    *("--engine=serial", "--num_actors=1", "--steps_per_call=5"),
    *("--environments_per_actor=2", "--samples_per_insert=16", "--evaluation_episodes=1"),
    *("--set=hidden_sizes=8", "--set=min_replay_size=100", "--set=batch_size=16"),
]
LAYOUT = Layout((Part((), (2,)),), (1,), "float32", (-1.0,), (1.0,))


@pytest.fixture
def dataset(tmp_path) -> Path:
    """Episodes of `match` that an expert has acted."""
    shown = np.random.default_rng(0).uniform(-1, 1, 11).astype(np.float32)
    discounts = np.ones(10, np.float32)
    discounts[-1] = 0
    own = Episode(
        np.stack([shown, np.ones_like(shown)], 1),
        shown[:10, None],
        np.ones_like(discounts),
        discounts,
    )
    return written(tmp_path / "expert-v0", own, layout=LAYOUT)


def train(quinoa, folder: Path, *flags: str) -> tuple[int, str, str]:
    command = ["train", f"--env={MATCH}", f"--folder={folder}", "--agent=ddpg", "--steps=200"]
    answer: tuple[int, str, str] = quinoa(*command, *FLAGS, *flags)
    return answer


def learned(folder: Path) -> np.ndarray:
    newest = learner_checkpoints.newest(RunFolder(folder).checkpoints)
    return newest.policy_parameters()


def test_they_are_learned_from_and_after_a_resume_from_another_folder_too(
    quinoa, shared_learners, dataset, tmp_path, monkeypatch
):
    drawn: list[tuple[int, ...]] = []
    draw = FixedTransitions.draw

    def counted(self, rng, *leading):
        drawn.append(leading)
        return draw(self, rng, *leading)

    monkeypatch.setattr(FixedTransitions, "draw", counted)
    monkeypatch.chdir(tmp_path)
    status, _, err = train(quinoa, tmp_path / "a", "--demonstrations=minari:expert-v0")
    assert status == 0, err
    saved = json.loads((tmp_path / "a" / "experiment.json").read_text())["experiment"]
    assert saved["demonstrations"] == f"minari:{dataset}"
    # A gradient step for each step after the first 100, five at a time.
    assert saved["demonstration_share"] == 0.5 and drawn == 20 * [(5, 8)]

    before, folder = learned(tmp_path / "a"), tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    resume = [f"--resume={tmp_path / 'a'}", "--steps=300", "--change=steps", "--engine=serial"]
    status, _, err = quinoa("train", *resume, "--resume_replay")
    assert status == 0, err
    assert drawn == 40 * [(5, 8)] and (learned(tmp_path / "a") != before).any()
    # What is not there any more is said before anything starts.
    dataset.rename(tmp_path / "moved")
    resume[1] = "--steps=900"
    status, _, err = quinoa("train", *resume)
    assert (status, err.count("\n")) == (2, 1), err
    assert "--demonstrations: minari:" in err and "holds no dataset of Minari" in err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--demonstrations=expert-v0"], "expert-v0' is the name of no dataset"),
        (["--demonstrations=run:nowhere"], "nothing is recorded of this run yet. quinoa record"),
        (["--demonstrations=minari:pen/expert-v9"], "there is no dataset pen/expert-v9 in"),
        (["--demonstrations=minari:expert-v0", "--demonstration_share=0.01"], "batch_size = 16"),
        (["--demonstrations=minari:expert-v0", "--action_repeat=2"], "the task's 2 (action_repeat"),
    ],
)
def test_what_cannot_be_learned_from_is_one_line_before_anything_starts(
    quinoa, dataset, tmp_path, monkeypatch, flags, message
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    status, out, err = train(quinoa, tmp_path / "run", *flags)
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert message in err
    assert not (tmp_path / "run").exists()


def test_an_agent_without_replay_is_refused():
    with pytest.raises(ExperimentError, match=r"demonstrations = .* does not learn from replay"):
        Experiment(
            agent="a2c",
            agent_config=registry.load_config("a2c").config,
            environment=MATCH,
            demonstrations="run:somewhere",
        )
