"""A whole training run over hosts, run on demand: does it learn what it learns on one machine?"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

from quinoa.launch.run import process_list
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json
from tests.cluster.ray_hosts import RayHosts
from tests.launch.helpers import learner_steps, wait_until

QUINOA = Path(sys.executable).parent / "quinoa"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_eight_actors_on_four_hosts_swing_the_pole_up(_needs_ray):
    """The default run, but for its engine and actors, to the bar of `tests/test_learning.py`."""
    folder = Path("/tmp/run")
    with RayHosts(4, cpus=3, disk_mb=3000) as hosts:
        seen = RunFolder(hosts["h1"].path(str(folder)))
        training = hosts["h1"].popen(
            [
                QUINOA,
                "train",
                "--engine=ray",
                "--num_actors=8",
                "--learner_threads=1",
                "--require_private",
                f"--folder={folder}",
            ]
        )
        assert wait_until(lambda: learner_steps(seen.root) > 0, 300)
        nodes = process_list.read(seen.processes).nodes
        assert len(nodes) == 12
        assert {node.host for node in nodes} == {"h1", "h2", "h3", "h4"}
        out, err = training.communicate(timeout=3000)
        assert training.returncode == 0, out + err
        assert "Return of the final policy" in out
        assert read_json(seen.result)["outcome"] == "finished"
        rows = pd.read_csv(seen.metrics("evaluator"))
        print(rows[["actor_steps", "episode_return"]].to_string(), "\n", out)
        assert set(pd.read_csv(seen.metrics("actor"))["actor"]) == set(range(8))
    assert rows["episode_return"].iloc[-5:].max() >= 700
