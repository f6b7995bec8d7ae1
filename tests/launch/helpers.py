"""What tests of whole runs share."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from quinoa.agents.config import DemonstrationConfig, OffPolicyConfig
from quinoa.config import parsing
from quinoa.launch.experiment import Experiment
from quinoa.launch.run.run_folder import RunFolder

# A shell that runs the tests in the background has them, and what they start, ignore SIGINT.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

MATCH = "tests.launch.factories:match"
ROOT = Path(__file__).parents[2]

# Settings with which the default agent solves `match` in a few seconds.
AGENT_SETTINGS = {
    "hidden_sizes": "32,32",
    "batch_size": "64",
    "min_replay_size": "500",
    "discount": "0.5",
    "learning_rate": "3e-3",
}


def experiment(**changes: Any) -> Experiment:
    """A small experiment on `match`."""
    from quinoa.agents import registry

    small = Experiment(
        agent=registry.DEFAULT_AGENT,
        agent_config=parsing.override(registry.load(registry.DEFAULT_AGENT).config, AGENT_SETTINGS),
        environment=MATCH,
        num_actors=2,
        environments_per_actor=4,
        samples_per_insert=64.0,
        steps=1500,
        steps_per_call=10,
    )
    return dataclasses.replace(small, **changes)


@dataclasses.dataclass(frozen=True)
class FromDemonstrations(DemonstrationConfig):
    """The settings of an agent that learns without actors."""


def replay_config(of: Experiment) -> OffPolicyConfig:
    """The settings of an experiment's agent, which learns from replay."""
    assert isinstance(of.config, OffPolicyConfig)
    return of.config


def train_command(folder: Path, *flags: str, environment: str = MATCH) -> list[str]:
    """The command line of the same experiment."""
    return [
        sys.executable,
        "-m",
        "quinoa.launch.cli",
        "train",
        f"--env={environment}",
        f"--folder={folder}",
        "--num_actors=2",
        "--environments_per_actor=4",
        "--samples_per_insert=64",
        "--steps_per_call=10",
        *(f"--set={name}={value}" for name, value in AGENT_SETTINGS.items()),
        *flags,
    ]


@contextlib.contextmanager
def started(
    command: list[str],
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    is_forked: bool = False,
) -> Iterator[subprocess.Popen[str]]:
    """A process as a terminal would start it, ended at the end of the context in any case.

    Args:
        command: its command line.
        cwd: the folder that it starts in.
        env: its variables; None is those of this process.
        is_forked: whether it is forked from what has imported all (see `forked`), as it may be
            where the test is not about how long it takes until its processes are there.
    """
    from tests.launch import forked

    popen = forked.Popen if is_forked else subprocess.Popen
    # What runs the tests may have been started by `nohup`, and what it starts would ignore SIGHUP.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        # Nothing of what this test process was told reaches it by way of the environment.
        process = popen(
            command,
            cwd=cwd,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGHUP, before)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def running(is_one: Callable[[list[str]], bool]) -> list[psutil.Process]:
    """The processes that are alive and have such a command line, but for what these have forked.

    What a process starts has its command line for a moment, until it executes its own program.

    Args:
        is_one: whether a command line is one of these.
    """
    parents = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if is_one(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                parents[process] = process.ppid()
    numbers = {process.pid for process in parents}
    return [process for process, parent in parents.items() if parent not in numbers]


def nodes_of(folder: Path) -> list[psutil.Process]:
    """The processes of a run's nodes that are alive."""
    return running(lambda command: f"--error_file={folder}" in " ".join(command))


def has_tensorflow(process: psutil.Process) -> bool:
    """Whether a process has imported TensorFlow; Courier brings a part of its C++ to every one."""
    return any("_pywrap_tensorflow" in each.path for each in process.memory_maps())


def wait_until(condition: Callable[[], bool], timeout_s: float = 120.0) -> bool:
    """Waits for a condition; returns whether it came to hold."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


def descriptors() -> int:
    """How many files, sockets and pipes this process has open."""
    return len(os.listdir("/proc/self/fd"))


def descriptors_are_back_at(before: int) -> bool:
    """Whether what was opened since is closed, which what has leaked never is.

    Threads of gRPC, which other tests in this process have started, open some for a moment: one
    look at the number may count those.
    """
    return wait_until(lambda: descriptors() <= before, 5)


def learner_steps(folder: Path) -> int:
    """How far the learner of a running run is, 0 before it has begun."""
    status = RunFolder(folder).status
    if not status.is_file():
        return 0
    match = re.search(r'"learner_steps": (\d+)', status.read_text())
    return int(match[1]) if match else 0


def listening_ports(process: psutil.Process) -> list[int]:
    """The ports that a process listens on, as its own network sees them."""
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        inodes = {fd.split("[")[1].rstrip("]") for fd in _sockets_of(process.pid)}
        return [port for port, inode in _listening(process.pid) if inode in inodes]
    return []


def listening_here() -> set[int]:
    """The ports that others on this machine, and on others, may reach."""
    return {port for port, _ in _listening(os.getpid())}


def _listening(pid: int) -> list[tuple[int, str]]:
    """The ports, and the sockets' inodes, that are listened on in the network of a process."""
    found = []
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{table}", encoding="ascii") as file:
            rows = [line.split() for line in file.readlines()[1:]]
        found += [(int(r[1].split(":")[1], 16), r[9]) for r in rows if r[3] == "0A"]
    return found


def _sockets_of(pid: int) -> list[str]:
    """The names of a process's sockets, as `socket:[inode]`."""
    names = []
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            names.append(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
    return [name for name in names if name.startswith("socket:[")]
