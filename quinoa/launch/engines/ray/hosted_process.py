"""One process of a host of a run, from the request for it to its end."""

from __future__ import annotations

import dataclasses
import signal
import threading
import time
from collections.abc import Mapping

from quinoa.launch.engines.executables import NodeExecutable
from quinoa.launch.engines.local.processes import LocalProcess
from quinoa.launch.engines.local.starter import Starter
from quinoa.launch.engines.process import wait
from quinoa.launch.nodes.exit_codes import TOLD_TO_STOP
from quinoa.launch.run import logs
from quinoa.launch.run.roles import Role

# Seconds for the end of a process group that was killed.
_KILL_S = 5.0
# Lines of a log that are shown with what was wrong.
_LOG_TAIL_LINES = 20


@dataclasses.dataclass(frozen=True)
class Task:
    """What the process of a node runs, as it travels to its host.

    Attributes:
        key: names this process among all that the run has ever started.
        role: what the node does.
        index: of the node among those of its role.
        function: pickled by cloudpickle; see `NodeExecutable.file`.
        variables: environment variables of this process alone.
    """

    key: str
    role: Role
    index: int
    function: bytes
    variables: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Look:
    """A process at one moment.

    Attributes:
        pid: its number on its host; 0 until it has started.
        beats: its signs of life so far.
        exit_code: see `Process.exit_code`.
        failure: see `Process.failure`, where it has ended.
    """

    pid: int = 0
    beats: int = 0
    exit_code: int | None = None
    failure: str = ""


class HostedProcess:
    """A process of this host, from the request for it to its end; for any thread.

    Attributes:
        name: of the node.
        asked_at: when somebody asked for it last, in seconds of the monotonic clock.
    """

    def __init__(self, name: str):
        """Has not been started yet."""
        self.name = name
        self.asked_at = time.monotonic()
        self._lock = threading.Lock()
        self._process: LocalProcess | None = None
        self._is_gone = False
        # How it ended, where that is not to be asked of the process itself.
        self._end: Look | None = None

    def start(self, starter: Starter, executable: NodeExecutable, task: Task) -> None:
        """Starts the process, unless it has been ended; may take long, as no other method does.

        Args:
            starter: starts it.
            executable: what it runs; its file is written here.
            task: what there is to write, and the process's own variables.
        """
        if self._end is not None:
            return
        process = end = None
        try:
            executable.file.write_bytes(task.function)
            process = starter.start(executable, task.variables)
        except OSError as error:
            text = f"{self.name} cannot be started: {error}"
            end = Look(exit_code=-signal.SIGKILL, failure=text)
        with self._lock:
            self._process = process
            self._end = self._end or end
            was_ended = process is not None and self._end is not None
        if was_ended:
            self.kill()

    def look(self) -> Look:
        """How it is."""
        with self._lock:
            if self._end is not None or self._process is None:
                return self._end or Look()
            process = self._process
            code = process.exit_code
            failure = "" if code is None else process.failure()
            return Look(process.pid, process.beats, code, failure)

    def terminate(self) -> None:
        """See `Process`."""
        with self._lock:
            if self._end is not None:
                return
            if self._process is not None:
                self._process.terminate()
            else:
                text = f"{self.name} was stopped before it had started."
                self._end = Look(exit_code=TOLD_TO_STOP, failure=text)

    def leave_stacks(self) -> None:
        """See `Process`."""
        with self._lock:
            if self._process is not None and not self._is_gone:
                self._process.leave_stacks()

    def kill(self) -> Look:
        """Ends it with all that it has started; returns how it ended.

        The `failure` of a process that this has ended is the end of its log.
        """
        with self._lock:
            process = self._process
            if process is not None and not self._is_gone:
                self._is_gone = True
                process.kill()
                wait([process], _KILL_S, lambda: False)
                log = logs.tail(process.log, _LOG_TAIL_LINES)
                ended = Look(process.pid, exit_code=process.exit_code, failure=log)
                self._end = self._end or ended
            self._end = self._end or Look(exit_code=-signal.SIGKILL)
            return self._end

    def log(self, lines: int) -> str:
        """The last lines that it has printed."""
        return "" if self._process is None else logs.tail(self._process.log, lines)
