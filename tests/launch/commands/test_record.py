"""`quinoa record`: what it writes is what the policy did, and is read as demonstrations."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.classic_control import PendulumEnv
from gymnasium.envs.registration import EnvSpec

from quinoa import environments
from quinoa import load as load_run
from quinoa.demonstrations import minari_datasets
from quinoa.launch.experiment.saved import load
from quinoa.launch.trained import recording

pytestmark = pytest.mark.skipif(
    find_spec("minari") is None, reason="the extra minari is not installed"
)


@pytest.fixture(scope="module")
def run(run_of):
    return run_of("iq", "gym:Pendulum-v1")


def test_episodes_are_recorded_into_the_runs_folder_as_they_were_played(
    quinoa, run, tmp_path, monkeypatch
):
    import minari

    # As the tutorial has it: from the folder that holds `runs`.
    monkeypatch.chdir(run.root.parent)
    status, out, err = quinoa("record", run.root.name, "--episodes=2", "--seed=3")
    assert status == 0, err
    assert out.startswith(f"{run.root.name}/demonstrations-v0: 2 episodes, 400 actions, return -")

    experiment = load(run)
    layout = experiment.known_layout()
    episodes = minari_datasets.read(f"run:{run.root}", layout, action_repeat=1)
    assert [len(each.rewards) for each in episodes] == [200, 200]
    assert not any(each.terminated for each in episodes)
    assert (episodes[0].observations[0] != episodes[1].observations[0]).any()

    # Its own form: the same actions lead, in Gymnasium's environment, through the same states.
    dataset = minari.MinariDataset(run.demonstrations / "data")
    assert dataset.storage.metadata["algorithm_name"] == "iq"
    (first, _) = dataset.iterate_episodes()
    environment = dataset.recover_environment()
    assert environment.spec.id == "Pendulum-v1"
    environment.reset()
    x, y, speed = first.observations[0]
    environment.unwrapped.state = np.array([np.arctan2(y, x), speed])
    for action, reward, observation in zip(
        first.actions[:20], first.rewards, first.observations[1:], strict=False
    ):
        found, gained, *_ = environment.step(action)
        np.testing.assert_allclose(found, observation, atol=1e-3)
        np.testing.assert_allclose(gained, reward, atol=1e-3)

    # Python's way, and the same seed.
    again = load_run(run.root).record(tmp_path / "again-v0", episodes=2, seed=3)
    for one, other in zip(
        episodes, minari_datasets.read(f"minari:{again}", layout, action_repeat=1), strict=True
    ):
        np.testing.assert_array_equal(one.observations, other.observations)

    status, out, err = quinoa("record", str(run.root))
    assert (status, out) == (2, "") and "is not empty: give a new folder" in err


def test_without_minari_nothing_is_played(quinoa, run, monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("quinoa.launch.trained.recording.play", None)
    status, out, err = quinoa("record", str(run.root), f"--out={tmp_path / 'd'}")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "pip install 'path/to/quinoa[minari]'" in err


def test_a_spec_that_cannot_be_written_costs_no_episodes(monkeypatch):
    """Of an environment that was registered by its class, and not by the class's name."""
    of_class: Any = PendulumEnv
    own = EnvSpec("OfClass-v0", entry_point=of_class, max_episode_steps=20)
    monkeypatch.setitem(gymnasium.registry, own.id, own)
    for name, is_written in (("OfClass-v0", False), ("Pendulum-v1", True)):
        with environments.make("it", 0, maker=lambda name=name: gymnasium.make(name)) as made:
            assert (recording._gymnasium_spec(made) is not None) is is_written
