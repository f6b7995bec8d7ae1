"""What can be held of the script for Slurm where there is no Slurm; tests/cluster has the rest."""

from __future__ import annotations

import re
import subprocess

from tests.launch.helpers import ROOT

SCRIPT = ROOT / "deploy" / "slurm" / "quinoa.sbatch"


def test_it_is_valid_and_says_how_it_is_meant_to_be_started():
    subprocess.run(["bash", "-n", SCRIPT], check=True)
    done = subprocess.run(
        ["bash", SCRIPT, "run"], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr == (
        "quinoa.sbatch: hand this to sbatch: sbatch quinoa.sbatch RUN FLAGS...\n"
    )


def test_its_options_come_before_the_first_command_which_is_as_far_as_slurm_reads():
    lines = SCRIPT.read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line and not line.startswith("#"))
    options = [line for line in lines if line.startswith("#SBATCH ")]
    assert options == [line for line in lines[:first] if line.startswith("#SBATCH ")]
    given = {re.match(r"#SBATCH --([a-z-]+)", line)[1] for line in options}  # type: ignore[index]
    assert {"no-kill", "requeue", "signal", "open-mode", "ntasks-per-node"} <= given
