"""TensorFlow in a program of the user's: started as runs have it, with all else as it was."""

from __future__ import annotations

import os
import subprocess
import sys

_SCRIPT = """
import os, sys
import quinoa

os.environ["CUDA_VISIBLE_DEVICES"] = "0"
before = dict(os.environ)
experiment = quinoa.Experiment(sys.argv[1], env="gym:Pendulum-v1")
assert dict(os.environ) == before
tf = sys.modules.get("tensorflow")
print(None if tf is None else tf.config.list_physical_devices("GPU"))
print(os.environ.get("TF_NUM_INTRAOP_THREADS"))
"""


def _run(tmp_path, agent: str) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    return subprocess.run(
        [sys.executable, str(script), agent],
        cwd=tmp_path,
        # Those of these tests are said already.
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_an_agent_of_the_users_own_that_imports_tensorflow_has_it_as_runs_do(tmp_path):
    agent = tmp_path / "mine.py"
    agent.write_text(
        "import os\nfrom quinoa.agents.iq import *\nimport tensorflow\n"
        "print(os.environ['TF_NUM_INTRAOP_THREADS'], os.environ.get('MUJOCO_GL'))\n"
    )
    done = _run(tmp_path, "./mine.py")
    # No word of TensorFlow's either.
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "1 None\n[]\nNone\n"


def test_what_needs_no_tensorflow_does_not_import_it(tmp_path):
    done = _run(tmp_path, "iq")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "None\nNone\n")
