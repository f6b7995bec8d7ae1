"""Processes of the local engine, with programs that need no Launchpad."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cloudpickle
import psutil
import pytest

from quinoa.launch.engines.executables import NodeExecutable
from quinoa.launch.engines.local.processes import LocalProcess
from quinoa.launch.engines.process import Process, wait
from quinoa.launch.nodes import heartbeat
from quinoa.launch.nodes.heartbeat import Heartbeat
from quinoa.launch.run.roles import Role
from tests.launch.helpers import wait_until

OBEDIENT = "import time; print('up', flush=True); time.sleep(100)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + OBEDIENT
WITH_CHILD = "import subprocess; print(subprocess.Popen(['sleep', '100']).pid, flush=True); "


@pytest.fixture
def node(tmp_path, monkeypatch):
    """Starts nodes that run a piece of Python."""
    started: list[LocalProcess] = []

    def start(code: str) -> LocalProcess:
        log = tmp_path / f"{len(started)}.log"
        with log.open("wb") as file:
            popen = subprocess.Popen(
                [sys.executable, "-c", code],
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        name = f"actor-{len(started)}"
        process = LocalProcess(
            Role.ACTOR, name, log, Heartbeat(), tmp_path / f"{name}.error", popen
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()


def is_up(process: LocalProcess) -> bool:
    return bool(process.log.read_text())


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_tells_how_a_process_ended(node):
    ended = node("import sys; sys.exit(3)")
    assert wait_until(lambda: ended.exit_code is not None, 20)
    assert ended.exit_code == 3
    running = node(OBEDIENT)
    assert running.exit_code is None
    running.terminate()
    assert wait_until(lambda: running.exit_code == -signal.SIGTERM, 20)
    # And still after it is done away with.
    running.kill()
    assert running.exit_code == -signal.SIGTERM
    assert not running.was_killed


def test_waits_for_those_that_obey_and_not_for_those_that_do_not(node):
    obedient, deaf = node(OBEDIENT), node(DEAF)
    assert wait_until(lambda: is_up(obedient) and is_up(deaf), 20)
    for process in (obedient, deaf):
        process.terminate()
    start = time.monotonic()
    wait([obedient], 20, lambda: False)
    assert time.monotonic() - start < 15
    wait([deaf], 0.2, lambda: False)
    assert deaf.exit_code is None
    wait([deaf], 100, lambda: True)
    deaf.kill()
    assert deaf.was_killed
    assert deaf.exit_code == -signal.SIGKILL


def test_takes_the_children_of_a_process_with_it(node):
    for rest in (OBEDIENT, "raise SystemExit"):
        parent = node(WITH_CHILD + rest)
        assert wait_until(lambda: is_up(parent), 20)  # noqa: B023 - called at once
        child = int(parent.log.read_text().split()[0])
        if "raise" in rest:
            assert wait_until(lambda: parent.exit_code is not None, 20)  # noqa: B023
        assert is_alive(child)
        parent.kill()
        assert wait_until(lambda: not is_alive(child), 5)  # noqa: B023


def test_what_is_told_of_a_failure_is_its_error(node, tmp_path):
    failed = node("import sys; sys.exit(1)")
    (tmp_path / "actor-0.error").write_text("Traceback ...\nValueError: no\n")
    assert failed.failure() == "Traceback ...\nValueError: no"


def test_without_an_error_it_is_the_end_of_the_log_and_how_it_ended(node):
    failed = node("import os\nfor i in range(99): print(i, flush=True)\nos.abort()")
    assert wait_until(lambda: failed.exit_code is not None, 20)
    lines = failed.failure().splitlines()
    assert lines[-2:] == ["98", "actor-0 was ended by SIGABRT."]
    assert len(lines) < 30
    early = node("pass")
    assert wait_until(lambda: early.exit_code is not None, 20)
    assert early.failure() == "actor-1 ended with status 0, and was not to end yet."


def start_counter(function: Path, tmp_path: Path, folder: Path) -> LocalProcess:
    """A counter's process, which needs no TensorFlow, that runs a function from a file."""
    return LocalProcess.start(
        NodeExecutable(Role.COUNTER, 0, function),
        environment=dict(os.environ),
        network=(),
        nice=0,
        logs=tmp_path,
        folder=folder,
    )


def test_starting_a_node_leaves_signals_as_they_were(tmp_path):
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    process = start_counter(Path("/nowhere"), tmp_path, tmp_path)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
    try:
        assert wait_until(lambda: process.exit_code is not None, 60)
        assert process.exit_code == 1
        assert process.failure().splitlines()[-1].startswith("FileNotFoundError")
    finally:
        process.kill()


def work() -> None:
    """What the node below does: shows where it is, and gives signs of life."""
    open("made", "w").close()
    for _ in range(3):
        heartbeat.beat()


def test_a_node_starts_in_the_folder_that_it_is_told_and_is_heard(tmp_path):
    folder = tmp_path / "started in"
    folder.mkdir()
    (folder / "data").write_bytes(cloudpickle.dumps([work]))
    process = start_counter(Path("data"), tmp_path, folder)
    as_the_supervisor_sees_it: Process = process
    try:
        assert wait_until(lambda: process.exit_code is not None, 60)
        assert process.exit_code == 0, process.failure()
        assert as_the_supervisor_sees_it.beats == 3
    finally:
        process.kill()
    assert process.name == "counter-0"
    assert (folder / "made").exists()
