"""The local engine from Python: processes, while the program itself stays as it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading

import psutil
import pytest

import quinoa
from quinoa.launch.engines import signals
from quinoa.launch.machine import child_process
from tests.api.own import SMALL, Toy
from tests.launch import forked
from tests.launch.helpers import ROOT, wait_until

pytestmark = pytest.mark.long

_SCRIPT = '''
import os, sys
import gymnasium, numpy as np
import quinoa
from gymnasium import spaces

before = dict(os.environ)
assert "tensorflow" not in sys.modules

class Mine(gymnasium.Env):
    """Of the script alone: no other process can import it."""
    observation_space, action_space = spaces.Box(-1, 1, (2,)), spaces.Box(-1, 1, (1,))
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(2, np.float32), {}
    def step(self, action):
        self.steps += 1
        return np.zeros(2, np.float32), 1.0, False, self.steps >= 10, {}

told = []
run = quinoa.train("iq", env=lambda seed: Mine(), folder=sys.argv[1], learning_rate=3e-4,
    callbacks=lambda run, event: told.append(event.kind), wait=False, **SMALL)
# Its processes are only just starting.
try:
    run.wait(timeout=0.1)
except TimeoutError:
    print(run.status()["state"], run.outcome)
assert run.wait(timeout=200) is run and run.checkpoints
assert "tensorflow" not in sys.modules and dict(os.environ) == before
print(run.outcome, sorted(set(told)))
print(quinoa.load(sys.argv[1]).curve()["episode_return"].iloc[-1])
'''


def test_a_script_trains_in_an_environment_of_its_own(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(f"SMALL = {SMALL!r}\n{textwrap.dedent(_SCRIPT)}")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "run")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert (done.returncode, done.stderr) == (0, "")
    expected = ["running None", "finished ['evaluation', 'report']", "10.0"]
    assert done.stdout.split("\n")[:3] == expected
    # In a process that has it not under way, it is over all the same.
    assert quinoa.load(tmp_path / "run").wait() is not None


_STOPPED = """
import sys, time
import quinoa
from quinoa.launch.engines import signals
from tests.api.own import Toy

def block(run, event):
    if event.kind == "report" and event.actor_steps:
        print("blocked", flush=True)
        time.sleep(1000)

print("begins", flush=True)
run = quinoa.train(env=Toy, folder=sys.argv[1], callbacks=block, **SMALL)
print(run.outcome, flush=True)
"""


def _started(tmp_path) -> subprocess.Popen[str]:
    """A program whose run ends only when it is stopped, and whose callback does not come back."""
    script = tmp_path / "script.py"
    script.write_text(f"SMALL = { ({**SMALL, 'steps': 10**7})!r}\n{_STOPPED}")
    program = forked.Popen(
        [sys.executable, str(script), str(tmp_path / "run")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None and program.stdout.readline() == "begins\n"
    return program


def _result(tmp_path) -> str | None:
    path = tmp_path / "run" / "result.json"
    return json.loads(path.read_text())["outcome"] if path.exists() else None


def test_ctrl_c_before_a_run_has_begun_interrupts_the_program(tmp_path):
    program = _started(tmp_path)
    wait_until(lambda: bool(psutil.Process(program.pid).children()), 60)
    program.send_signal(signal.SIGINT)
    _, err = program.communicate(timeout=60)
    assert program.returncode == -signal.SIGINT
    assert err.endswith("KeyboardInterrupt: The run was stopped before it had begun.\n")
    assert not (tmp_path / "run").exists()


def test_ctrl_c_ends_a_run_while_a_callback_blocks_and_a_second_one_ends_that(tmp_path):
    program = _started(tmp_path)
    try:
        assert program.stdout is not None and program.stdout.readline() == "blocked\n"
        program.send_signal(signal.SIGINT)
        wait_until(lambda: _result(tmp_path) == "stopped", 120)
        assert program.poll() is None
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=60)
    finally:
        program.kill()
    assert (program.returncode, out) == (0, "stopped\n")
    assert err.splitlines() == [
        signals.Asked(times, "Ctrl-C").about_run(saves_replay=True) for times in (1, 2)
    ]


# Its parts have tests of their own: tests/launch/machine/test_child_process.py kills a program, the
# child of which then gets SIGTERM. The one of the test above gets it by Ctrl-C, and saves the run.
@pytest.mark.slow
def test_a_program_that_is_killed_leaves_a_run_that_has_ended_in_order(tmp_path):
    program = _started(tmp_path)
    assert program.stdout is not None and program.stdout.readline() == "blocked\n"
    processes = psutil.Process(program.pid).children(recursive=True)
    program.kill()
    program.communicate()
    assert len(processes) > 3
    assert psutil.wait_procs(processes, timeout=120)[1] == []
    assert _result(tmp_path) == "stopped" and quinoa.load(tmp_path / "run").checkpoints


_INTERRUPTED = """
import os, signal, sys, threading
import quinoa
from quinoa.launch.engines import signals
from tests.api.own import Toy

waits = threading.Event()

def interrupt(run, event):
    if waits.is_set():
        waits.clear()
        os.kill(os.getpid(), signal.SIGINT)

run = quinoa.train(
    env=Toy, engine="serial", folder=sys.argv[1], callbacks=interrupt, wait=False, **SMALL
)
waits.set()
run.wait()
"""


def test_ctrl_c_that_ends_a_program_ends_its_runs_in_order(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(f"SMALL = { ({**SMALL, 'steps': 10**7})!r}\n{_INTERRUPTED}")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "run")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    # By SIGINT, unless threads of TensorFlow's do not survive that the interpreter winds down.
    assert done.returncode != 0, done.stderr
    assert (
        "\nKeyboardInterrupt\nStopping: saving what was learned and what replay holds."
        in done.stderr
    )
    assert _result(tmp_path) == "stopped"


def test_what_cannot_travel_is_said(tmp_path):
    environment = Toy()
    environment.connection = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(quinoa.ExperimentError, match="cannot be sent to the processes"):
        quinoa.train(env=environment, folder=tmp_path / "run", **SMALL)
    assert not (tmp_path / "run").exists()


def test_a_run_that_fails_says_of_what_and_keeps_its_folder(tmp_path):
    with (
        forked.starting(child_process),
        pytest.raises(quinoa.TrainingError, match="licence") as raised,
    ):
        quinoa.train(
            env="tests.api.own:Expiring", folder=tmp_path / "run", **{**SMALL, "steps": 5000}
        )
    assert raised.value.run is not None and raised.value.run.outcome == "failed"


def test_wrong_input_is_refused_in_the_program(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(quinoa.ExperimentError, match="already holds a run"):
        (tmp_path / "experiment.json").write_text("{}")
        quinoa.train(env=Toy, folder=tmp_path, **SMALL)
