"""The measurement of how actors add up, on a small scale."""

from __future__ import annotations

import csv
import subprocess
import sys

from tests.launch.helpers import ROOT


def test_actors_are_added_and_what_they_take_is_written(_needs_ray, tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.cluster_scaling", "--hosts=2", "--actors=1,3"),
            *("--step_seconds=0.4", "--seconds=10", "--settle_seconds=2", f"--out={tmp_path}"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[" in done.stdout and "3 actors act; measuring for 10 s" in done.stdout
    with (tmp_path / "scaling.csv").open() as file:
        one, three = csv.DictReader(file)
    for row, actors in ((one, 1), (three, 3)):
        assert int(row["actors"]) == actors
        assert float(row["ideal_steps_s"]) == actors * 10
        assert 0.5 < float(row["share"]) < 1.2
        assert float(row["actor_mb"]) > 1
        for kind in ("actors", "learner", "replay", "counter", "supervisor", "gateways", "agents"):
            assert float(row[f"cores_{kind}"]) > 0, kind
    assert float(three["sent_kb_s"]) > 0
    assert (tmp_path / "scaling.png").is_file() and (tmp_path / "scaling.md").is_file()
