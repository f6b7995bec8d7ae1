"""Processes that are forked from a warm parent, beside those that are executed."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import psutil
import pytest
import reverb

from quinoa.launch.engines.executables import NodeExecutable
from quinoa.launch.engines.local import warm_parent
from quinoa.launch.engines.local.processes import Fork, LocalProcess
from quinoa.launch.engines.local.warm_parent import WarmParent, WarmParentError
from quinoa.launch.machine import process_environment
from quinoa.launch.nodes import heartbeat
from quinoa.launch.run.roles import Role
from tests.launch.helpers import ROOT, wait_until

_PR_GET_PDEATHSIG = 2
TABLE = "table"
ITEMS = 40
# Without the name of the current test, which pytest keeps in a variable.
INHERITED = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST")}


def variables(**others: str) -> dict[str, str]:
    """Those of an actor's process."""
    of = process_environment.for_node(INHERITED, threads=1, gpu=False, one_heap=True)
    return {**of, **others}


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmParent]:
    with warm_parent.started(INHERITED, ROOT) as parent:
        yield parent


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., LocalProcess]]:
    """Starts an actor's process that runs a function."""
    processes: list[LocalProcess] = []

    def start(
        function: Callable[[], object],
        fork: Fork | None,
        *,
        folder: Path = tmp_path,
        environment: dict[str, str] | None = None,
        nice: int = 0,
    ) -> LocalProcess:
        index = len(processes)
        data = tmp_path / f"{index}.pickle"
        data.write_bytes(cloudpickle.dumps([function]))
        process = LocalProcess.start(
            NodeExecutable(Role.ACTOR, index, data),
            environment=environment or variables(),
            network=(),
            nice=nice,
            logs=tmp_path,
            folder=folder,
            fork=fork,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()


def forking(parent: WarmParent) -> Fork:
    return lambda program: parent.fork(program, lambda: False)


def end_of(process: LocalProcess) -> int | None:
    assert wait_until(lambda: process.exit_code is not None, 60)
    return process.exit_code


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def _what_it_is() -> None:
    """Prints what makes a process what it is, for its parent and for the code that it runs."""
    library, signalled = ctypes.CDLL(None), ctypes.c_int()
    library.prctl(_PR_GET_PDEATHSIG, ctypes.byref(signalled), 0, 0, 0)
    library.getenv.restype = ctypes.c_char_p
    states = Path("/proc/self/status").read_text().splitlines()
    masks = ("SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt")
    print(
        json.dumps(
            {
                "parent": os.getppid(),
                "leads its group": os.getpgid(0) == os.getpid() == os.getsid(0),
                "signals": [line for line in states if line.startswith(masks)],
                "at the end of its parent": signalled.value,
                "variables": dict(os.environ),
                "in C": str(library.getenv(b"TMPDIR")),
                "folder": os.getcwd(),
                "path": sys.path,
                "niceness": os.nice(0),
                "streams": [os.readlink(f"/proc/self/fd/{number}") for number in range(3)],
                "arguments": [text.partition("=")[0] for text in sys.argv],
                "errors": sys.stdout.errors,
            }
        )
    )
    heartbeat.beat()


def test_a_forked_process_is_what_an_executed_one_is(warm, start, tmp_path):
    folder = tmp_path / "started in"
    folder.mkdir()
    environment = variables(TMPDIR=str(folder))
    found: list[dict[str, Any]] = []
    for fork in (None, forking(warm)):
        process = start(_what_it_is, fork, folder=folder, environment=environment, nice=3)
        assert end_of(process) == 0, process.failure()
        assert process.beats == 1
        text = process.log.read_text()
        found.append(json.loads(text.replace(process.log.name, "log")))
        process.kill()
    executed, forked = found
    assert forked == executed
    assert forked["parent"] == os.getpid()
    assert forked["at the end of its parent"] == signal.SIGKILL
    assert forked["variables"] == environment
    assert forked["folder"] == str(folder)


def _linger() -> None:
    child = subprocess.Popen(["sleep", "100"])
    print(child.pid, len(os.listdir("/proc/self/fd")), flush=True)
    child.wait()


def test_it_is_ended_with_all_that_it_started_and_is_seen_by_its_name(warm, start, tmp_path):
    descriptors = []
    for fork in (None, forking(warm)):
        process = start(_linger, fork)
        assert wait_until(lambda: bool(process.log.read_text()), 60)  # noqa: B023 - at once
        child, number = map(int, process.log.read_text().split())
        descriptors.append(number)
        assert process.exit_code is None
        shown = " ".join(psutil.Process(process.pid).cmdline())
        assert f"--error_file={tmp_path / process.name}.error" in shown
        process.kill()
        assert process.exit_code == -signal.SIGKILL
        assert process.was_killed
        assert wait_until(lambda: not is_alive(child), 5)  # noqa: B023 - at once
    # It has inherited nothing besides.
    assert descriptors[0] == descriptors[1]


def test_sigterm_ends_it_in_order(warm, start):
    import launchpad as lp

    def wait_for_the_end() -> None:
        print("up", flush=True)
        lp.wait_for_stop()
        sys.exit(17)

    process = start(wait_for_the_end, forking(warm))
    assert wait_until(lambda: bool(process.log.read_text()), 60)
    process.terminate()
    # Launchpad's handler has let it go on to its own end.
    assert end_of(process) == 1
    assert process.failure().splitlines()[-1] == "SystemExit: 17"


def _draw() -> None:
    import random
    import secrets
    import tempfile
    import uuid

    import numpy as np
    import tensorflow as tf

    print(
        json.dumps(
            [
                random.random(),
                np.random.uniform(),
                np.random.default_rng().uniform(),
                secrets.token_hex(),
                str(uuid.uuid4()),
                str(uuid.uuid1()),
                tempfile.mktemp(),
                float(tf.random.uniform([])),
                float(tf.random.Generator.from_non_deterministic_state().uniform([])),
                float(tf.random.stateless_uniform([], [1, 2])),
            ]
        )
    )


def test_two_forked_processes_draw_different_numbers(warm, start):
    processes = [start(_draw, forking(warm)) for _ in range(2)]
    for process in processes:
        assert end_of(process) == 0, process.failure()
    *first, of_seed = json.loads(processes[0].log.read_text())
    *second, of_the_same = json.loads(processes[1].log.read_text())
    assert of_seed == of_the_same
    assert all(one != other for one, other in zip(first, second, strict=True)), (first, second)


def _insert(address: str, offset: int) -> None:
    with reverb.Client(address).trajectory_writer(num_keep_alive_refs=1) as writer:
        for index in range(ITEMS):
            writer.append([np.int64(offset + index)])
            writer.create_item(TABLE, 1.0, [writer.history[0][-1:]])
        writer.flush()


def test_two_forked_processes_give_replay_items_of_different_keys(warm, start):
    server = reverb.Server(
        [
            reverb.Table(
                name=TABLE,
                sampler=reverb.selectors.Uniform(),
                remover=reverb.selectors.Fifo(),
                max_size=10 * ITEMS,
                rate_limiter=reverb.rate_limiters.MinSize(1),
            )
        ]
    )
    try:
        address = f"localhost:{server.port}"
        processes = [
            start(functools.partial(_insert, address, offset), forking(warm))
            for offset in (0, ITEMS)
        ]
        for process in processes:
            assert end_of(process) == 0, process.failure()
        client = reverb.Client(address)
        assert client.server_info()[TABLE].current_size == 2 * ITEMS
        seen: dict[int, int] = {}
        samples = (sample for _ in range(200) for sample in client.sample(TABLE, ITEMS))
        for sample in samples:
            (step,) = sample
            # An item of the one whose chunk has the key of another's would show that one's number.
            value = int(step.data[0].item())
            assert seen.setdefault(step.info.key, value) == value
            if len(seen) == 2 * ITEMS:
                break
        assert sorted(seen.values()) == list(range(2 * ITEMS))
    finally:
        server.stop()


def test_a_folder_that_is_not_there_is_the_same_error(warm, start, tmp_path):
    for fork in (None, forking(warm)):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            start(_draw, fork, folder=tmp_path / "nowhere")


@pytest.mark.parametrize("room", [5, 8])
def test_what_the_kernel_refuses_is_an_error_and_the_next_process_starts(warm, start, room):
    _, hard = resource.prlimit(warm.pid, resource.RLIMIT_NOFILE)
    # It is there once it has forked.
    assert end_of(start(lambda: None, forking(warm))) == 0
    before = resource.prlimit(warm.pid, resource.RLIMIT_NOFILE, (room, hard))
    try:
        with pytest.raises(OSError) as raised:
            start(lambda: None, forking(warm))
    finally:
        resource.prlimit(warm.pid, resource.RLIMIT_NOFILE, before)
    assert raised.value.errno == errno.EMFILE
    assert end_of(start(lambda: None, forking(warm))) == 0
    # The streams and the socket.
    assert wait_until(lambda: len(os.listdir(f"/proc/{warm.pid}/fd")) == 4, 5)


def test_only_what_is_read_when_it_imports_must_be_as_it_was(warm, monkeypatch):
    learner = process_environment.for_node(INHERITED, threads=2, gpu=True, one_heap=False)
    monkeypatch.setattr(warm_parent, "has_gpu", lambda environment: False)
    assert warm.can_run(variables(TMPDIR="/elsewhere"))
    assert not warm.can_run(variables(NEW="1"))
    assert warm.can_run(learner)
    monkeypatch.setattr(warm_parent, "has_gpu", lambda environment: True)
    assert not warm.can_run(learner)


def _print_threads() -> None:
    import tensorflow as tf

    tf.linalg.matmul(tf.ones((8, 8)), tf.ones((8, 8)))
    print(len(os.listdir("/proc/self/task")))


def test_a_learner_that_is_forked_has_its_threads(warm, start):
    counts = []
    for threads in (1, 4):
        environment = process_environment.for_node(
            INHERITED, threads=threads, gpu=False, one_heap=False
        )
        process = start(_print_threads, forking(warm), environment=environment)
        assert end_of(process) == 0, process.failure()
        counts.append(int(process.log.read_text()))
    # One more to compute one operation, and three more to compute several at once.
    assert counts[1] - counts[0] == 4


def test_it_is_not_waited_for_where_the_run_is_to_end(start):
    with warm_parent.started(INHERITED, ROOT) as parent:
        os.kill(parent.pid, signal.SIGSTOP)
        process = start(lambda: None, lambda program: parent.fork(program, lambda: True))
        assert is_alive(parent.pid)
        assert end_of(process) == 0


def test_one_with_another_thread_refuses(start, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    path = {"PYTHONPATH": str(tmp_path)}
    with (
        warm_parent.started({**INHERITED, **path}, ROOT) as parent,
        pytest.raises(WarmParentError, match="it has 2 threads, and is to have one"),
    ):
        start(lambda: None, forking(parent), environment=variables(**path))


def test_one_that_cannot_import_says_why(start, tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('no such library here')\n")
    with contextlib.ExitStack() as stack:
        path = pytest.MonkeyPatch()
        stack.callback(path.undo)
        path.syspath_prepend(str(tmp_path))
        parent = stack.enter_context(warm_parent.started(INHERITED, ROOT))
        with pytest.raises(WarmParentError, match="has ended: ImportError: no such library here"):
            start(lambda: None, forking(parent))


ENGINE = """
import os, sys, time
from pathlib import Path
from quinoa.launch.engines.local.warm_parent import WarmParent
print(WarmParent(os.environ, Path.cwd()).pid, flush=True)
time.sleep(100)
"""


def test_it_ends_with_the_process_that_started_it():
    engine = subprocess.Popen([sys.executable, "-c", ENGINE], stdout=subprocess.PIPE, cwd=ROOT)
    with engine:
        assert engine.stdout is not None
        pid = int(engine.stdout.readline())
        assert is_alive(pid)
        engine.kill()
    assert wait_until(lambda: not is_alive(pid), 5)


# The last one, as it ends the warm parent of all.
def test_one_that_gives_no_answer_is_ended(warm, start, monkeypatch):
    monkeypatch.setattr(warm_parent, "_ANSWER_S", 0.5)
    assert end_of(start(lambda: None, forking(warm))) == 0
    os.kill(warm.pid, signal.SIGSTOP)
    with pytest.raises(WarmParentError, match="has not answered for 0 s"):
        start(lambda: None, forking(warm))
    assert not is_alive(warm.pid)
