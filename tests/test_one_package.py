"""One import name: what the user's own files and folders are called is no matter to us."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ENVIRONMENT = '''
import dm_env
import numpy as np
from dm_env import specs


class Still(dm_env.Environment):
    """Ten steps of the same observation."""

    def __init__(self, seed=0):
        self._left = 0

    def reset(self):
        self._left = 10
        return dm_env.restart(np.zeros(2, np.float32))

    def step(self, action):
        if not self._left:
            return self.reset()
        self._left -= 1
        make = dm_env.transition if self._left else dm_env.truncation
        return make(1.0, np.zeros(2, np.float32))

    def observation_spec(self):
        return specs.Array((2,), np.float32)

    def action_spec(self):
        return specs.BoundedArray((1,), np.float32, -1.0, 1.0)
'''

_AGENT = """
from quinoa.agents.iq import Agent, Config

PRESETS = {"small": Config(hidden_sizes=(8,), batch_size=8, min_replay_size=100)}
"""


@pytest.fixture
def project(tmp_path) -> Path:
    """A folder whose contents have the names of our own, and of Python's."""
    files = {
        "agents/__init__.py": "",
        "agents/mine.py": _AGENT,
        "environments/__init__.py": "",
        "environments/still.py": _ENVIRONMENT,
        "launch.py": "raise SystemExit('the launch script of the user')",
        "tests/__init__.py": "raise SystemExit('the tests of the user')",
        "benchmarks/__init__.py": "raise SystemExit('the benchmarks of the user')",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize("engine", ["serial", "local"])
def test_a_project_with_folders_of_our_names_trains_agents_and_environments_of_its_own(
    project, engine
):
    command = [str(Path(sys.executable).with_name("quinoa")), "train", f"--engine={engine}"]
    command += ["--agent=agents.mine:small", "--env=environments.still:Still", "--steps=400"]
    command += ["--num_actors=1", "--environments_per_actor=2", "--steps_per_call=10"]
    done = subprocess.run(
        [*command, "--evaluation_episodes=2", "--folder=run"],
        cwd=project,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Return of the final policy: 10.0" in done.stdout
    assert "note" not in done.stderr
