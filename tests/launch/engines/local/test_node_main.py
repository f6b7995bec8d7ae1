from __future__ import annotations

import os
import subprocess
import sys
from typing import NoReturn

import cloudpickle
import pytest

from quinoa.launch.machine import interpreter
from quinoa.launch.nodes.exit_codes import RUN_IS_OVER, TOLD_TO_STOP


def leaving(status: object) -> NoReturn:
    sys.exit(status)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (RUN_IS_OVER, RUN_IS_OVER),
        (TOLD_TO_STOP, TOLD_TO_STOP),
        # What an agent's code leaves by: the node has not done what it was for.
        (0, 1),
        (None, 1),
    ],
)
def test_only_a_node_itself_says_that_it_is_done(given, status, tmp_path):
    data, error = tmp_path / "data", tmp_path / "error"
    data.write_bytes(cloudpickle.dumps([lambda: leaving(given)]))
    command = interpreter.command(
        "quinoa.launch.engines.local.node_main",
        f"--data_file={data}",
        f"--parent={os.getpid()}",
        f"--error_file={error}",
    )
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == status, done.stderr
    assert error.exists() is (status == 1)
    if status == 1:
        assert error.read_text().splitlines()[-1].startswith("SystemExit")
