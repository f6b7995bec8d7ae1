"""An environment that is not the one that a run was trained in any more."""

from __future__ import annotations

import json

import numpy as np
import pytest

from quinoa.launch.experiment.saved import load
from quinoa.launch.run import run_folder

pytestmark = pytest.mark.usefixtures("same_environment_variables", "shared_learners")

_SOURCE = '''
import os

import gymnasium
import numpy as np
from gymnasium import spaces


class Env(gymnasium.Env):
    """Its version says what it is made of: 2 has another order, 3 other bounds, 4 a part less."""

    def __init__(self, length=5):
        self.length, version = length, os.environ.get("ENV_VERSION", "1")
        names = {"2": ["noise", "mark"], "4": ["mark"]}.get(version, ["mark", "noise"])
        # Gymnasium sorts the keys of a plain dict.
        self.observation_space = spaces.Dict([(name, spaces.Box(-9, 9, (1,))) for name in names])
        self.action_space = spaces.Box(-1, 5.0 if version == "3" else 1.0, (1,))

    def _seen(self):
        return {name: np.float32([0.5]) for name in self.observation_space}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._seen(), {}

    def step(self, action):
        self.steps += 1
        return self._seen(), 1.0, False, self.steps >= self.length, {}
'''

_SMALL = (
    *("--set=min_replay_size=100", "--set=batch_size=8", "--set=hidden_sizes=8"),
    *("--evaluation_episodes=1", "--num_actors=1", "--environments_per_actor=2"),
    *("--samples_per_insert=16", "--steps_per_call=10", "--engine=serial"),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of version 1, by the file of its environment, and how it was made."""
    from quinoa.launch import cli

    folder = tmp_path_factory.mktemp("changed")
    (folder / "changing_env.py").write_text(_SOURCE)
    arguments = ["train", f"--env={folder}/changing_env.py:Env", "--env_set=length=7", *_SMALL]
    assert cli.main([*arguments, "--steps=300", f"--folder={folder}/run"]) == 0
    return run_folder.existing(folder / "run")


def everything_in(folder) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() for path in sorted(folder.root.rglob("*")) if path.is_file()
    }


def test_a_run_keeps_what_its_environment_is_made_of_and_with(trained):
    saved = json.loads(trained.experiment.read_text())["experiment"]
    assert saved["env_kwargs"] == {"length": 7}
    experiment = load(trained)
    assert experiment.layout is not None
    assert [part.path for part in experiment.layout.observation] == [("mark",), ("noise",)]
    environment = experiment.make_environment(0)
    assert environment.inner._environment.length == 7
    environment.close()


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("2", "its observation is now made of observation['noise'], observation['mark']"),
        ("3", "its actions are now from -1 to 5; they were from -1 to 1"),
        ("4", "its observation is now made of observation['mark']; it was"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        ("evaluate",),
        ("policy", "--step=1"),
        ("train", "--resume_replay", "--steps=600", "--change=steps", "--engine=serial"),
    ],
    ids=lambda command: command[0],
)
def test_every_later_command_refuses_another_environment_and_touches_nothing(
    quinoa, trained, monkeypatch, version, message, command
):
    monkeypatch.setenv("ENV_VERSION", version)
    before = everything_in(trained)
    name, *flags = command
    run = f"--resume={trained.root}" if name == "train" else str(trained.root)
    status, _, err = quinoa(name, run, *flags)
    assert status == 2
    assert "is not the one that this run was trained in" in err and message in " ".join(err.split())
    assert everything_in(trained) == before


def test_the_same_environment_is_evaluated(quinoa, trained):
    status, out, _ = quinoa("evaluate", str(trained.root), "--episodes=2")
    assert status == 0 and "Return: 7.0" in out


def test_arguments_that_it_does_not_take_are_one_line(quinoa, trained, tmp_path):
    name = load(trained).environment
    arguments = ("train", f"--env={name}", "--env_set=lenght=7", *_SMALL, "--steps=300")
    status, _, err = quinoa(*arguments, f"--folder={tmp_path}/run")
    assert status == 2 and "lenght" in err and "Traceback" not in err
    assert not (tmp_path / "run").exists()


def test_observations_are_those_of_the_run(trained):
    layout = load(trained).known_layout()
    flat, _ = layout.canonical({"noise": np.array([2.0]), "mark": np.array([1.0])})
    np.testing.assert_array_equal(flat, [[1, 2]])
