"""Processes of nodes: started, watched, and stopped without leaving any behind."""

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
from typing import BinaryIO

from quinoa.launch.machine import interpreter
from quinoa.launch.nodes.heartbeat import Heartbeat
from quinoa.launch.terminal.output import say

_LOG_TAIL_LINES = 20
_POLL_S = 0.02
# What has a node write where it stands to its log, and the seconds that it has for that.
STACKS_SIGNAL = signal.SIGUSR1
_STACKS_S = 0.5


@dataclasses.dataclass
class NodeProcess:
    """One node's process.

    Attributes:
        group: the label of the node's group in the program.
        name: of the node: the group and its index there.
        log: the file that has what it prints.
        heartbeat: goes up while it gets on, until `kill`.
        was_killed: whether `kill` found it alive.
    """

    group: str
    name: str
    log: Path
    heartbeat: Heartbeat
    _error_file: Path
    _popen: subprocess.Popen[bytes]
    was_killed: bool = False

    @classmethod
    def start(
        cls,
        group: str,
        name: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        network: Sequence[int],
        nice: int,
        tensorflow: bool,
        logs: Path,
        folder: Path,
    ) -> NodeProcess:
        """Starts a node.

        Args:
            group: see the class.
            name: see the class.
            arguments: Launchpad's, for the entry of a process.
            environment: all environment variables of the process.
            network: what `private_network.join` takes, or nothing.
            nice: how much less than others it may have of a busy processor.
            tensorflow: whether the node uses TensorFlow.
            logs: the folder of the run's logs, an absolute path.
            folder: that it starts in.

        Raises:
            OSError: there is no process, or no memory, to be had.
        """
        log = logs / f"{name}.log"
        error_file = logs / f"{name}.error"
        # Of the process before this one, if there was one.
        with contextlib.suppress(OSError):
            error_file.unlink()
        with contextlib.ExitStack() as on_failure:
            heartbeat = Heartbeat()
            on_failure.callback(heartbeat.close)
            command = interpreter.command(
                "quinoa.launch.engines.local.node_main",
                *arguments,
                f"--parent={os.getpid()}",
                f"--error_file={error_file}",
                f"--heartbeat={heartbeat.descriptor}",
                f"--nice={nice}",
                f"--network={','.join(map(str, network))}",
                *(["--tensorflow"] if tensorflow else []),
                folder=folder,
            )
            # SIGTERM is inherited as held back, until the node can stop in order: see `node_main`.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            try:
                with _opened_or_none(log) as file:
                    popen = subprocess.Popen(
                        command,
                        env=environment,
                        cwd=folder,
                        pass_fds=[*network, heartbeat.descriptor],
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL if file is None else file,
                        stderr=subprocess.STDOUT,
                        # A group of its own, or Ctrl-C in the terminal would reach it too.
                        start_new_session=True,
                    )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            on_failure.pop_all()
        return cls(group, name, log, heartbeat, error_file, popen)

    @property
    def pid(self) -> int:
        """Its number, which is also that of its group."""
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """The exit status, minus the number of the signal that ended it, or None."""
        if self._popen.returncode is not None:
            return self._popen.returncode
        # Its number stays taken until `kill`, which sends a signal to its group by that number.
        ended = os.waitid(os.P_PID, self._popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def terminate(self) -> None:
        """Asks it to stop."""
        if self._popen.returncode is None:
            os.kill(self._popen.pid, signal.SIGTERM)

    def leave_stacks(self) -> None:
        """Has it write to its log where each of its threads stands, if it can still do that."""
        if self._popen.returncode is None:
            os.kill(self._popen.pid, STACKS_SIGNAL)
            time.sleep(_STACKS_S)

    def kill(self) -> None:
        """Ends it and all that it started; does nothing the second time."""
        if self._popen.returncode is not None:
            return
        self.heartbeat.close()
        self.was_killed = self.exit_code is None
        # Its own children are in its group, and may outlive it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def failure(self) -> str:
        """What is known of why it ended: its error, or the end of its log."""
        # It may have found no room on the disk.
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
        """A reason, after the end of the log."""
        return "\n".join([*_text_of(self.log).splitlines()[-_LOG_TAIL_LINES:], reason])


def wait(processes: Sequence[NodeProcess], timeout_s: float, give_up: Callable[[], bool]) -> None:
    """Waits until all have ended, or the time is up, or `give_up()`."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and not give_up():
        if all(process.exit_code is not None for process in processes):
            return
        time.sleep(_POLL_S)


@contextlib.contextmanager
def _opened_or_none(log: Path) -> Iterator[BinaryIO | None]:
    """Opens a log to add to it; None, said once, where the disk has no room for it."""
    try:
        file = log.open("ab")
    except OSError as error:
        say(f"quinoa: note: {log} cannot be written ({error.strerror}).", sys.stderr)
        yield None
        return
    with file:
        yield file


def _text_of(path: Path) -> str:
    """What a file says, nothing where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").rstrip()
    except OSError:
        return ""
