"""Three minutes of it, the end with its looks at what is left included: a fault of most kinds."""

import subprocess
import sys

import pytest

from tests.launch.helpers import ROOT


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_survives_one_fault_of_each_kind(tmp_path):
    command = [sys.executable, "-m", "tests.chaos", "--minutes=2.2", f"--out={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, done.stdout + done.stderr
    table = [row for row in (tmp_path / "results.md").read_text().splitlines() if "|" in row]
    assert len(table[2:]) >= 10
