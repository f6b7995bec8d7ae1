import os
import pathlib
import subprocess
import sys

import pytest

from quinoa import environments

ROOT = pathlib.Path(environments.__file__).resolve().parents[2]

_QUIET = """
from quinoa import environments
for name in ("control:humanoid:run", "control:quadruped:escape", "control:walker:run",
             "gym:HalfCheetah-v4", "gym:Pendulum-v1", "toy:CliffWalking-v1", "toy:Taxi-v4",
             "gym:gymnasium_robotics:PointMaze_UMaze-v3", "adroit:door", "adroit:relocate"):
    with environments.make(name, 0) as environment:
        environment.reset()
        environment.step(environment.action_spec().generate_value())
environments.list_environments()
environments.environment_spec(environment)
"""


@pytest.mark.parametrize("order", ["control first", "gym first"])
def test_nothing_is_printed_or_left_behind(order, tmp_path):
    code = _QUIET
    if order == "gym first":
        code = (
            "from quinoa import environments; environments.make('gym:HalfCheetah-v4', 0).close()\n"
            + code
        )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
