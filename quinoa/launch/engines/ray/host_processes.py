"""The processes of a run on one of its hosts: started, watched, and ended with the host's lease."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import os
import signal
import tempfile
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from quinoa.launch.engines.executables import NodeExecutable
from quinoa.launch.engines.local.starter import Starter
from quinoa.launch.engines.local.warm_parent import WarmParent
from quinoa.launch.engines.ray.hosted_process import HostedProcess, Look, Task
from quinoa.launch.experiment import Experiment
from quinoa.launch.machine import temporary_folder
from quinoa.launch.nodes.host_parameters import SharedMemory
from quinoa.launch.run.roles import node_name
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
_POLL_S = 0.1
_LEASE_POLL_S = 0.5


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
class HostedRun:
    """What the processes of a run have in common, as it travels to a host.

    Attributes:
        experiment: what is run.
        environment: the environment variables of the user's shell.
        folder: the folder that processes start in, where the host has it.
        run: the run's folder.
        mark: the name of a file in it, which is there where the folder is the run's.
        lease_s: seconds without a question after which a process ends.
    """

    experiment: Experiment
    environment: Mapping[str, str]
    folder: Path
    run: RunFolder
    mark: str
    lease_s: float


@dataclasses.dataclass(frozen=True)
class Looks:
    """The processes of a host at one moment.

    Attributes:
        processes: by their keys.
        notes: what has happened on the host since the last time, a line each.
    """

    processes: Mapping[str, Look]
    notes: Sequence[str]


class HostProcesses:
    """Starts, watches and ends the processes of a run on this host.

    A process ends when nobody has asked for it for some time: then this host is cut off, and the
    node has been or will be started elsewhere, and two of them must never run at once.

    Those that use TensorFlow are forked from one warm parent. Any thread may call the methods.
    """

    def __init__(self, hosted: HostedRun, network: Sequence[int]):
        """Starts the warm parent, and no other process yet.

        Args:
            hosted: the run.
            network: what `private_network.join` takes; empty for the network of this process.

        Raises:
            ExperimentError: this host has no room for temporary files.
            OSError: there is no process, or no memory, to be had.
        """
        self._lease_s = hosted.lease_s
        self._lock = threading.Lock()
        self._hosted: dict[str, HostedProcess] = {}
        self._notes: list[str] = []
        self._is_closed = threading.Event()
        inherited = on_host(hosted.environment, os.environ)
        folder = hosted.folder if hosted.folder.is_dir() else Path(tempfile.gettempdir())
        # The kernel ends a process with the thread that has started it, so these stay. A process
        # that is executed is not to wait until the warm parent has imported everything.
        self._forking = concurrent.futures.ThreadPoolExecutor(1, "forking")
        self._executing = concurrent.futures.ThreadPoolExecutor(1, "executing")
        with contextlib.ExitStack() as made:
            self._temporary = Path(made.enter_context(temporary_folder.create()))
            has_folder = (hosted.run.root / hosted.mark).is_file()
            log_folder = hosted.run.logs if has_folder else self._temporary / "logs"
            log_folder.mkdir(exist_ok=True)
            warm = self._forking.submit(WarmParent, inherited, folder).result()
            made.callback(warm.close)
            parameters = made.enter_context(contextlib.closing(SharedMemory()))
            self._made = made.pop_all()
        self._starter = Starter(
            hosted.experiment,
            inherited,
            folder=folder,
            temporary=self._temporary,
            logs=log_folder,
            network=network,
            parameters=parameters.descriptor,
            warm=warm,
            give_up=self._is_closed.is_set,
            on_loss=self._note,
        )
        threading.Thread(target=self._end_with_lease, name="lease", daemon=True).start()

    def start(self, task: Task) -> None:
        """Has a process started as soon as may be: `look` tells when it is, or why it cannot be.

        A second request for the same process does nothing.
        """
        name = node_name(task.role, task.index)
        executable = NodeExecutable(task.role, task.index, self._temporary / f"{name}.pickle")
        hosted = HostedProcess(name)
        with self._lock:
            if task.key in self._hosted:
                return
            self._hosted[task.key] = hosted
        starting = self._forking if self._starter.is_forked(executable) else self._executing
        starting.submit(hosted.start, self._starter, executable, task)

    def look(self, keys: Collection[str], seconds: float) -> Looks:
        """Looks at processes: after so many seconds, or when one of them ends.

        Args:
            keys: of those that are to be looked at, and to run on.
            seconds: the longest wait.
        """
        with self._lock:
            found = {key: self._hosted[key] for key in keys if key in self._hosted}
        for hosted in found.values():
            hosted.asked_at = time.monotonic()
        deadline = time.monotonic() + seconds
        while True:
            looks = {key: hosted.look() for key, hosted in found.items()}
            has_end = any(look.exit_code is not None for look in looks.values())
            if has_end or time.monotonic() >= deadline:
                break
            time.sleep(_POLL_S)
        gone = {key: Look(exit_code=-signal.SIGKILL) for key in keys if key not in found}
        with self._lock:
            notes, self._notes = self._notes, []
        return Looks({**looks, **gone}, notes)

    def terminate(self, key: str) -> None:
        """See `Process`."""
        if (hosted := self._hosted.get(key)) is not None:
            hosted.terminate()

    def leave_stacks(self, key: str) -> None:
        """See `Process`."""
        if (hosted := self._hosted.get(key)) is not None:
            hosted.leave_stacks()

    def kill(self, key: str) -> Look:
        """Ends a process, if there is one, with all that it has started; returns how it ended.

        Its `failure` is the end of the log. Nothing is known of the process afterwards.
        """
        with self._lock:
            hosted = self._hosted.pop(key, None)
        return Look() if hosted is None else hosted.kill()

    def logs(self, lines: int) -> dict[str, str]:
        """The last lines that each process has printed, by the names of the nodes."""
        with self._lock:
            found = list(self._hosted.values())
        return {hosted.name: hosted.log(lines) for hosted in found}

    def close(self) -> None:
        """Ends all processes."""
        self._is_closed.set()
        with self._lock:
            left = list(self._hosted)
        for key in left:
            self.kill(key)
        for starting in (self._forking, self._executing):
            starting.shutdown(wait=False, cancel_futures=True)
        self._made.close()

    def _note(self, text: str) -> None:
        with self._lock:
            self._notes.append(text)

    def _end_with_lease(self) -> None:
        while not self._is_closed.wait(_LEASE_POLL_S):
            with self._lock:
                hosted = list(self._hosted.values())
            now = time.monotonic()
            for each in hosted:
                if now - each.asked_at > self._lease_s:
                    each.kill()
