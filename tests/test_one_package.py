"""One import name: what the user's own files and folders are called is no matter to us."""

from __future__ import annotations

import subprocess

import pytest

from tests import projects


# With the local engine, tests/test_end_to_end.py trains in the same project.
@pytest.mark.long
def test_a_project_with_folders_of_our_names_trains_agents_and_environments_of_its_own(tmp_path):
    project = projects.write(tmp_path / "project")
    command = [projects.QUINOA, "train", "--engine=serial", "--folder=run", "--steps=400"]
    command += [f"--agent={projects.AGENT}", f"--env={projects.ENVIRONMENT}"]
    command += ["--set=hidden_sizes=8", "--set=batch_size=8", "--set=min_replay_size=100"]
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
    assert "Return of the final policy: " in done.stdout
    assert "note" not in done.stderr
