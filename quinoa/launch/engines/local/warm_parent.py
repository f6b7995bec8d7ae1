"""A process that has imported what nodes import, and that processes of nodes are forked from.

To import TensorFlow takes two seconds of a processor and 200 MB of memory. A process that is forked
from one that has imported it takes neither: it shares that memory with it until one of them writes.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from quinoa.launch.machine import interpreter, process_environment
from quinoa.launch.machine.sizing import has_gpu

# The modules that the warm parent and a node's process run.
MAIN = "quinoa.launch.engines.local.warm_parent_main"
NODE_MAIN = "quinoa.launch.engines.local.node_main"
# A message says little: what is long is in a file in memory that comes with it.
MESSAGE_BYTES = 16384
MAX_DESCRIPTORS = 16

# Seconds until it has imported everything, on a machine that is busy, and until it has forked.
_READY_S = 60.0
_ANSWER_S = 10.0
_POLL_S = 0.1
# Bytes of the command line that a forked process can show: a path's length and more.
_TITLE_BYTES = 8192
# Variables by which the nodes' environments differ, and that a forked process can still set:
# TensorFlow reads those of its threads and of the GPU when it starts its devices, not when it is
# imported. (NumPy has read OMP_NUM_THREADS by then, and keeps to one thread.)
_SETTABLE = (
    "CUDA_VISIBLE_DEVICES",
    "MALLOC_ARENA_MAX",
    "OMP_NUM_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TMPDIR",
)
_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37


class WarmParentError(Exception):
    """No process can be forked from it any more; the message says why."""


class Program(Protocol):
    """What a process is forked to run.

    Attributes:
        main: the module that the process shows itself to run.
        arguments: the arguments that it shows itself to have.
        environment: all environment variables.
        folder: the folder that it starts in, an absolute path.
        output: the descriptor of what it prints to.
        descriptors: others that it gets.
    """

    @property
    def main(self) -> str: ...  # noqa: D102 - above

    @property
    def arguments(self) -> Sequence[str]: ...  # noqa: D102

    @property
    def environment(self) -> Mapping[str, str]: ...  # noqa: D102

    @property
    def folder(self) -> Path: ...  # noqa: D102

    @property
    def output(self) -> int: ...  # noqa: D102

    @property
    def descriptors(self) -> Sequence[int]: ...  # noqa: D102


class NodeProgram(NamedTuple):
    """What the process of a node is started with, however it is started.

    Attributes:
        arguments: of `NODE_MAIN`.
        environment: all environment variables.
        folder: the folder that it starts in, an absolute path.
        output: the descriptor of what it prints to.
        heartbeat: `Heartbeat.descriptor`.
        network: what `private_network.join` takes.
        parameters: `SharedMemory.descriptor` of its host; None for a process that shares none.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    output: int
    heartbeat: int
    network: Sequence[int]
    parameters: int | None = None

    @property
    def main(self) -> str:
        """See `Program`."""
        return NODE_MAIN

    @property
    def descriptors(self) -> Sequence[int]:
        """See `Program`."""
        shared = () if self.parameters is None else (self.parameters,)
        return (self.heartbeat, *shared, *self.network)


class ForkedProcess:
    """A child of this process that something else has forked; it is used as a `Popen` is.

    Attributes:
        pid: its number.
        returncode: its exit status, minus a signal's number if that ended it; None before `wait`.
    """

    def __init__(self, pid: int):
        """Takes the number of a child of this process."""
        self.pid = pid
        self.returncode: int | None = None

    def wait(self) -> int:
        """Waits for its end; returns `returncode`."""
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode


class WarmParent:
    """The warm parent, as the process that has started it sees it. For one thread."""

    def __init__(self, inherited: Mapping[str, str], folder: Path):
        """Starts it; it imports on its own from then on.

        The thread that calls this must last as long as the warm parent is to.

        Args:
            inherited: the variables of the user's shell; see `ProcessContext`.
            folder: what relative entries of `sys.path` are relative to.

        Raises:
            OSError: there is no process, or no memory, to be had.
        """
        self._environment = process_environment.for_node(
            inherited, threads=1, gpu=False, one_heap=False
        )
        self._is_ready = False
        self._is_lost = False
        with contextlib.ExitStack() as on_failure:
            self._errors = open(os.memfd_create("warm-parent"), "w+b")  # noqa: SIM115
            on_failure.callback(self._errors.close)
            # With messages of a size, which come whole or not at all.
            self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            on_failure.callback(self._socket.close)
            with theirs:
                self._popen = subprocess.Popen(
                    interpreter.command(
                        MAIN,
                        f"--socket={theirs.fileno()}",
                        f"--parent={os.getpid()}",
                        f"--room_for_titles={'.' * _TITLE_BYTES}",
                        folder=folder,
                    ),
                    env=self._environment,
                    cwd=folder,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=self._errors,
                    stderr=self._errors,
                    # A group of its own, or Ctrl-C in the terminal would reach it too.
                    start_new_session=True,
                )
            on_failure.pop_all()
        self._socket.setblocking(False)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._popen.pid

    def can_run(self, environment: Mapping[str, str]) -> bool:
        """Whether a process with these variables can be forked from it.

        Libraries read most variables when they are imported, so they must be as they were then. A
        process that uses a GPU has never been tried as a fork, and is not one.
        """
        if has_gpu(environment):
            return False
        names = {*environment, *self._environment} - {*_SETTABLE}
        return all(environment.get(name) == self._environment.get(name) for name in names)

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment variables that it has been started with."""
        return self._environment

    def fork(self, program: Program, give_up: Callable[[], bool]) -> ForkedProcess | None:
        """Starts a process, which is a child of this process.

        Args:
            program: what it runs, with variables that it `can_run` with.
            give_up: asked while this waits for the warm parent to be ready; ends that when true.

        Returns:
            The process; None where it is to be started in another way: this has given up, or the
            warm parent was lost before.

        Raises:
            WarmParentError: it is lost, which is raised once.
            OSError: there is no process, or no memory, to be had, or no such folder.
        """
        if self._is_lost:
            return None
        try:
            if not self._is_ready:
                if self._receive(_READY_S, give_up) is None:
                    return None
                self._is_ready = True
            return self._fork(program)
        except WarmParentError:
            self.close()
            raise

    def _fork(self, program: Program) -> ForkedProcess:
        about = json.dumps(
            {
                "main": program.main,
                "arguments": program.arguments,
                "environment": dict(program.environment),
                "folder": str(program.folder),
                "path": [os.path.normpath(program.folder / entry) for entry in sys.path],
            }
        ).encode()
        with contextlib.ExitStack() as closing:
            file = closing.enter_context(open(os.memfd_create("program"), "w+b", buffering=0))
            file.write(about)
            # The process waits at this pipe until it is known here.
            start, started = os.pipe()
            closing.callback(os.close, start)
            closing.callback(os.close, started)
            sent = (file.fileno(), start, program.output, *program.descriptors)
            with _adopting_orphans():
                try:
                    socket.send_fds(self._socket, [b"{}"], sent)
                except OSError as error:
                    raise self._lost(f"it takes no request ({error.strerror})") from error
                answer = self._receive(_ANSWER_S, lambda: False)
            assert answer is not None
            if "refused" in answer:
                raise self._lost(answer["refused"])
            if "errno" in answer:
                raise OSError(answer["errno"], answer["error"], answer["file"])
            pid = int(answer["pid"])
            try:
                os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError as error:
                raise self._lost("its processes do not become the engine's") from error
            os.write(started, b"\0")
        return ForkedProcess(pid)

    def _receive(self, timeout_s: float, give_up: Callable[[], bool]) -> dict[str, Any] | None:
        """Waits for a message; None when told to give up."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self._socket.settimeout(_POLL_S)
            try:
                message = self._socket.recv(MESSAGE_BYTES)
            except TimeoutError:
                if give_up():
                    return None
                continue
            except OSError as error:
                raise self._lost(f"it gives no answer ({error.strerror})") from error
            if not message:
                raise self._lost("it has ended")
            answer: dict[str, Any] = json.loads(message)
            return answer
        raise self._lost(f"it has not answered for {timeout_s:.0f} s")

    def _lost(self, reason: str) -> WarmParentError:
        self._errors.seek(0)
        printed = self._errors.read().decode("utf-8", "replace").split("\n")
        last = next((f": {line}" for line in reversed(printed) if line.strip()), "")
        return WarmParentError(f"{reason}{last}")

    def close(self) -> None:
        """Ends it, but no process that was forked from it; a second call does nothing."""
        if self._is_lost:
            return
        self._is_lost = True
        self._socket.close()
        self._popen.kill()
        self._popen.wait()
        self._errors.close()


@contextlib.contextmanager
def started(inherited: Mapping[str, str], folder: Path) -> Iterator[WarmParent]:
    """A warm parent that ends at the end of the context; see `WarmParent`."""
    with contextlib.closing(WarmParent(inherited, folder)) as warm_parent:
        yield warm_parent


@contextlib.contextmanager
def _adopting_orphans() -> Iterator[None]:
    """Has the kernel make descendants whose parents end in this context children of this process.

    Raises:
        WarmParentError: the kernel cannot do that.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    before = ctypes.c_int()
    if prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0) != 0 or (
        prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0
    ):
        reason = os.strerror(ctypes.get_errno())
        raise WarmParentError(f"the kernel cannot give its processes to the engine ({reason})")
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, before.value, 0, 0, 0)
