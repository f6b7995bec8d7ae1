"""Processes of nodes on this machine: started, watched, and ended without leaving any behind."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from quinoa.launch.engines.executables import NodeExecutable
from quinoa.launch.engines.local.group_guard import GUARD, kill_with_group
from quinoa.launch.engines.local.warm_parent import NODE_MAIN, NodeProgram
from quinoa.launch.machine import interpreter
from quinoa.launch.nodes.heartbeat import Heartbeat
from quinoa.launch.nodes.topology import KINDS
from quinoa.launch.run import logs
from quinoa.launch.run.roles import Role
from quinoa.launch.terminal.output import say

_LOG_TAIL_LINES = 20
# The signal at which a node writes its threads' stacks to its log, and the seconds it has for that.
STACKS_SIGNAL = signal.SIGUSR1
_STACKS_S = 0.5


class Child(Protocol):
    """A child of this process: what is used of a `Popen`.

    Attributes:
        pid: its number.
        returncode: its exit status, minus a signal's number if that ended it; None before `wait`.
    """

    pid: int
    returncode: int | None

    def wait(self) -> int:
        """Waits for its end; returns `returncode`."""


# Forks a node's process; None where it is to be executed instead.
Fork = Callable[[NodeProgram], "Child | None"]


@dataclasses.dataclass
class LocalProcess:
    """A node's process on this machine: see `Process`.

    Attributes:
        role: what the node does.
        name: of the node.
        log: the file that has what the process prints.
        was_killed: whether `kill` found it running.
    """

    role: Role
    name: str
    log: Path
    _heartbeat: Heartbeat
    _error_file: Path
    _child: Child
    was_killed: bool = False

    @classmethod
    def start(
        cls,
        executable: NodeExecutable,
        *,
        environment: Mapping[str, str],
        network: Sequence[int],
        nice: int,
        logs: Path,
        folder: Path,
        fork: Fork | None = None,
        parameters: int | None = None,
    ) -> LocalProcess:
        """Starts the process of a node.

        Args:
            executable: what it runs.
            environment: all environment variables of the process.
            network: what `private_network.join` takes; empty for the network of this process.
            nice: the process's niceness above this one's, so that on a busy machine others come
                first.
            logs: the folder of the run's logs, an absolute path.
            folder: the folder that the process starts in.
            fork: forks it from another process where that can be done.
            parameters: `SharedMemory.descriptor` of this host; None where it shares none.

        Raises:
            OSError: there is no process, or no memory, to be had.
        """
        name = executable.name
        log = logs / f"{name}.log"
        error_file = logs / f"{name}.error"
        # Of the process before this one, if there was one.
        with contextlib.suppress(OSError):
            error_file.unlink()
        with contextlib.ExitStack() as on_failure:
            heartbeat = Heartbeat()
            on_failure.callback(heartbeat.close)
            arguments = [
                f"--data_file={executable.file}",
                f"--parent={os.getpid()}",
                f"--error_file={error_file}",
                f"--heartbeat={heartbeat.descriptor}",
                f"--nice={nice}",
                f"--network={','.join(map(str, network))}",
                *([] if parameters is None else [f"--parameters={parameters}"]),
                *(["--tensorflow"] if KINDS[executable.role].uses_tensorflow else []),
            ]
            with _opened(log) as file:
                program = NodeProgram(
                    arguments,
                    environment,
                    folder,
                    file.fileno(),
                    heartbeat.descriptor,
                    network,
                    parameters,
                )
                child = (fork and fork(program)) or _executed(program)
            on_failure.pop_all()
        GUARD.add(child.pid)
        return cls(executable.role, name, log, heartbeat, error_file, child)

    @property
    def pid(self) -> int:
        """Its number, which is also that of its process group."""
        return self._child.pid

    @property
    def host(self) -> None:
        """See `Process`."""
        return None

    @property
    def beats(self) -> int:
        """See `Process`."""
        return self._heartbeat.count

    @property
    def exit_code(self) -> int | None:
        """See `Process`."""
        if self._child.returncode is not None:
            return self._child.returncode
        # Its number stays taken until `kill`, which sends a signal to its group by that number.
        ended = os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def terminate(self) -> None:
        """See `Process`."""
        if self._child.returncode is None:
            os.kill(self._child.pid, signal.SIGTERM)

    def leave_stacks(self) -> None:
        """See `Process`."""
        if self._child.returncode is None:
            os.kill(self._child.pid, STACKS_SIGNAL)
            time.sleep(_STACKS_S)

    def kill(self) -> None:
        """See `Process`."""
        if self._child.returncode is not None:
            return
        self._heartbeat.close()
        self.was_killed = self.exit_code is None
        # Its own children are in its group, and may outlive it.
        kill_with_group(self._child.pid)
        # Before its number is free.
        GUARD.remove(self._child.pid)
        self._child.wait()

    def failure(self) -> str:
        """See `Process`."""
        # There may be none, as where the disk is full.
        if error := _text_of(self._error_file):
            return error
        code = self.exit_code
        if code is not None and code < 0:
            reason = f"{self.name} was ended by {signal.Signals(-code).name}."
            if -code == signal.SIGKILL:
                reason += " The kernel does that when memory runs out."
        else:
            reason = f"{self.name} ended with status {code}, and was not to end yet."
        return self.with_log(reason)

    def with_log(self, reason: str) -> str:
        """See `Process`."""
        return "\n".join([*logs.tail(self.log, _LOG_TAIL_LINES).splitlines(), reason])


def _executed(program: NodeProgram) -> Child:
    """Starts the process of a node, which imports everything anew."""
    # SIGTERM is inherited as blocked, until the node can stop in order: see `node_main`.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        return subprocess.Popen(
            interpreter.command(NODE_MAIN, *program.arguments, folder=program.folder),
            env=program.environment,
            cwd=program.folder,
            pass_fds=program.descriptors,
            stdin=subprocess.DEVNULL,
            stdout=program.output,
            stderr=subprocess.STDOUT,
            # A group of its own, or Ctrl-C in the terminal would reach it too.
            start_new_session=True,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _opened(log: Path) -> Iterator[BinaryIO]:
    """Opens a log to add to it; what discards all, said once, where the disk has no room for it."""
    try:
        file = log.open("ab")
    except OSError as error:
        say(f"quinoa: note: {log} cannot be written ({error.strerror}).", sys.stderr)
        file = open(os.devnull, "ab")  # noqa: SIM115
    with file:
        yield file


def _text_of(path: Path) -> str:
    """What a file says, nothing where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").rstrip()
    except OSError:
        return ""
