"""One import name: what the user's own files and folders are called is no matter to us."""

from __future__ import annotations

import re
import subprocess

import numpy as np
import pytest

from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json
from tests import projects
from tests.launch import factories


# With the local engine, the fast tests/test_end_to_end.py trains in the same project.
@pytest.mark.slow
def test_a_project_with_folders_of_our_names_trains_agents_and_environments_of_its_own(tmp_path):
    project = projects.write(tmp_path / "project")
    command = [projects.QUINOA, "train", "--engine=serial", "--folder=run", "--steps=400"]
    command += [f"--agent={projects.AGENT}", f"--env={projects.ENVIRONMENT}"]
    command += ["--set=hidden_sizes=8", "--set=batch_size=8", "--set=min_replay_size=100"]
    command += ["--samples_per_insert=16"]
    command += ["--num_actors=1", "--environments_per_actor=2", "--steps_per_call=10"]
    done = subprocess.run(
        [*command, "--evaluation_episodes=2"],
        cwd=project,
        env=projects.variables(),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"Return of the final policy: (\S+) ± \S+ \(10 episodes\)", done.stdout)
    assert found, done.stdout
    returns = read_json(RunFolder(project / "run").result)["final_returns"]
    assert float(found[1]) == pytest.approx(np.mean(returns), abs=0.051)
    # Those of the project's environment, each of whose steps gives at most 1.
    assert all(0 < each <= factories.EPISODE_STEPS for each in returns)
    assert "note" not in done.stderr
