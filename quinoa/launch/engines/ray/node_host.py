"""What runs the process of one node on the host where Ray has placed it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import os
import socket
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from quinoa.launch.engines import node_environment
from quinoa.launch.engines.executables import NodeExecutable
from quinoa.launch.engines.local.processes import LocalProcess
from quinoa.launch.engines.process import wait
from quinoa.launch.experiment import Experiment
from quinoa.launch.machine import temporary_folder
from quinoa.launch.nodes.topology import KINDS
from quinoa.launch.run import logs
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder

# Variables that belong to a host, and not to the user who starts a run from another one: who is
# logged in there and where, where its programs and libraries are, its GPUs (of which Ray gives a
# process its own), screens and job.
_OF_HOST = frozenset(
    {
        "CONDA_PREFIX",
        "DBUS_SESSION_BUS_ADDRESS",
        "DISPLAY",
        "HOME",
        "HOSTNAME",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "LOGNAME",
        "MUJOCO_EGL_DEVICE_ID",
        "PATH",
        "PWD",
        "SHELL",
        "TEMP",
        "TMP",
        "TMPDIR",
        "USER",
        "VIRTUAL_ENV",
        "WAYLAND_DISPLAY",
        "XAUTHORITY",
        # Where CUDA is, for TensorFlow's compiler.
        "XLA_FLAGS",
    }
)
_PREFIXES_OF_HOST = ("CUDA_", "NVIDIA_", "SLURM", "SSH_", "XDG_")
_LOOK_S = 0.1
# Seconds for the end of a process group that was killed.
_KILL_S = 5.0
# Lines of a log that are shown with what was wrong.
_LOG_TAIL_LINES = 20


def carried(environment: Mapping[str, str]) -> dict[str, str]:
    """Those variables of a user's shell that mean the same on another host.

    Ray's own stay behind: one of them is the key to the cluster, and no node needs it.
    """
    return {
        name: value
        for name, value in environment.items()
        if not _is_of_host(name) and not name.startswith("RAY_")
    }


def on_host(environment: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The variables of a user's shell on another host.

    Args:
        environment: the variables of the shell.
        own: those of the host, of which what belongs to it is taken.
    """
    of_host = {name: value for name, value in own.items() if _is_of_host(name)}
    return {**of_host, **carried(environment)}


def _is_of_host(name: str) -> bool:
    return name in _OF_HOST or name.startswith(_PREFIXES_OF_HOST)


@dataclasses.dataclass(frozen=True)
class Place:
    """Where Ray has placed a node.

    Attributes:
        host: Ray's name of the host.
        name: the host's own name, for messages.
        address: its address in the cluster.
        has_folder: whether the run's folder is there.
    """

    host: str
    name: str
    address: str
    has_folder: bool


@dataclasses.dataclass(frozen=True)
class Task:
    """What the process of a node runs, as it travels to its host.

    Attributes:
        role: what the node does.
        index: of the node among those of its role.
        function: pickled by cloudpickle; see `NodeExecutable.file`.
        experiment: what is run.
        environment: the environment variables of the user's shell.
        folder: the folder that the process starts in, where the host has it.
        run: the run's folder.
    """

    role: Role
    index: int
    function: bytes
    experiment: Experiment
    environment: Mapping[str, str]
    folder: Path
    run: RunFolder


@dataclasses.dataclass(frozen=True)
class Look:
    """A process at one moment.

    Attributes:
        beats: its signs of life so far.
        exit_code: see `Process.exit_code`.
        failure: see `Process.failure`, where it has ended.
    """

    beats: int
    exit_code: int | None = None
    failure: str = ""


class NodeHost:
    """Starts, watches and ends the process of one node; a Ray actor, on its host.

    The process ends when nobody has asked for it for some time: then this host is cut off, and the
    node has been or will be started elsewhere, and two of them must never run at once.
    """

    def __init__(self, run: RunFolder, mark: str, lease_s: float):
        """Starts nothing yet.

        Args:
            run: the run's folder.
            mark: the name of a file in it, which is there where the folder is the run's.
            lease_s: seconds without a question after which the process is ended.
        """
        self._run = run
        self._has_folder = (run.root / mark).is_file()
        self._lease_s = lease_s
        self._asked_at = time.monotonic()
        self._process: LocalProcess | None = None
        self._cleanup = contextlib.ExitStack()
        # The kernel ends the process with the thread that has started it, so that one stays.
        self._starter = concurrent.futures.ThreadPoolExecutor(1, "starter")

    def place(self) -> Place:
        """Where this is."""
        import ray

        context = ray.get_runtime_context()
        return Place(
            host=context.get_node_id(),
            name=socket.gethostname(),
            address=ray.util.get_node_ip_address(),
            has_folder=self._has_folder,
        )

    def start(self, task: Task, network: Sequence[str]) -> int:
        """Starts the process; returns its number on this host.

        Args:
            task: what it runs.
            network: paths of the namespaces that it joins.

        Raises:
            OSError: there is no process, no memory or no room on the disk to be had.
        """
        self._asked_at = time.monotonic()
        self._process = self._starter.submit(self._start, task, network).result()
        threading.Thread(target=self._end_with_lease, name="lease", daemon=True).start()
        return self._process.pid

    def _start(self, task: Task, network: Sequence[str]) -> LocalProcess:
        temporary = Path(self._cleanup.enter_context(temporary_folder.create()))
        log_folder = self._run.logs if self._has_folder else temporary / "logs"
        log_folder.mkdir(exist_ok=True)
        executable = NodeExecutable(task.role, task.index, temporary / "function.pickle")
        executable.file.write_bytes(task.function)
        folder = task.folder if task.folder.is_dir() else Path(tempfile.gettempdir())
        with contextlib.ExitStack() as opened:
            descriptors = [os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in network]
            for descriptor in descriptors:
                opened.callback(os.close, descriptor)
            return LocalProcess.start(
                executable,
                environment=node_environment.variables(
                    task.role,
                    task.experiment,
                    on_host(task.environment, os.environ),
                    temporary=str(temporary),
                ),
                network=descriptors,
                nice=KINDS[task.role].nice,
                logs=log_folder,
                folder=folder,
            )

    def watch(self, seconds: float) -> Look:
        """Looks at the process: after so many seconds, or when it ends."""
        self._asked_at = time.monotonic()
        process = self._started()
        deadline = time.monotonic() + seconds
        while process.exit_code is None and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
        if process.exit_code is None:
            return Look(process.beats)
        return Look(0, process.exit_code, process.failure())

    def terminate(self) -> None:
        """See `Process`."""
        self._started().terminate()

    def leave_stacks(self) -> None:
        """See `Process`."""
        self._started().leave_stacks()

    def log(self, lines: int) -> str:
        """The last lines that the process has printed."""
        return "" if self._process is None else logs.tail(self._process.log, lines)

    def kill(self) -> Look:
        """Ends the process, if there is one, with all that it has started; returns how it ended.

        Its `failure` is the end of the log, which may be gone with this.
        """
        process = self._process
        if process is None:
            return Look(0)
        process.kill()
        wait([process], _KILL_S, lambda: False)
        log = logs.tail(process.log, _LOG_TAIL_LINES)
        self._cleanup.close()
        return Look(0, process.exit_code, log)

    def _started(self) -> LocalProcess:
        assert self._process is not None
        return self._process

    def _end_with_lease(self) -> None:
        process = self._started()
        while process.exit_code is None:
            if time.monotonic() - self._asked_at > self._lease_s:
                self.kill()
                return
            time.sleep(_LOOK_S)
