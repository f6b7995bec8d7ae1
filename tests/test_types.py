"""The types fit, as `make lint` checks too: here beside other tests, which need the other core."""

import subprocess
import sys

import pytest

from tests.launch.helpers import ROOT


@pytest.mark.long
@pytest.mark.timeout(900)
def test_mypy_finds_nothing():
    done = subprocess.run(
        [sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True, timeout=840
    )
    assert done.returncode == 0, done.stdout + done.stderr
