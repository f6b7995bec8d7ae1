"""A run that outlives the process that started it: in a detached actor of a Ray cluster."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quinoa.launch.engines.ray import run_end, shared_folder
from quinoa.launch.engines.ray.connection import NAMESPACE
from quinoa.launch.engines.ray.host_processes import carried
from quinoa.launch.engines.ray.run_end import RunEnd
from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.machine.child_process import PRINTED, ChildError, ChildProcess
from quinoa.launch.run import scale
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage import lock

if TYPE_CHECKING:
    from ray.actor import ActorHandle

_POLL_S = 0.2
# Lines that are kept for those who attach later.
_MAX_LINES = 500
# Seconds that the outcome can be asked for after the run is over.
_KEEP_S = 600.0
_ANSWER_S = 30.0
# Seconds between two signals to the child, which takes two at the same time for one.
_APART_S = 0.2
# Seconds for the end in order of a run whose server was killed: its processes save first.
_PREDECESSOR_S = 90.0


@dataclasses.dataclass(frozen=True)
class News:
    """What a run has told since the last time.

    Attributes:
        next_line: the number of the first line that is not in it, to ask with the next time.
        lines: what it printed.
        status: the fields of its newest status; None where there is none yet.
        folder: the run's folder, once it has begun.
        outcome: what the function returned, when it is over.
        error: the name and the message of what the function raised, when it is over.
    """

    next_line: int
    lines: Sequence[str]
    status: Mapping[str, Any] | None
    folder: str | None
    outcome: Mapping[str, Any] | None = None
    error: tuple[str, str] | None = None

    @property
    def is_over(self) -> bool:
        """Whether the run is over."""
        return self.outcome is not None or self.error is not None


class RunServer:
    """Has the supervising process of a run, and tells whoever asks how it goes.

    That process is a child of this one, for it changes environment variables and signal handlers,
    and imports code of the user.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        arguments: Sequence[Any],
        resuming: Sequence[Any],
        run: RunFolder,
        environment: Mapping[str, str],
        folder: Path,
        events: tuple[str, str],
    ):
        """Starts it.

        Args:
            function: runs the experiment; see `ChildProcess`.
            arguments: of the function.
            resuming: the same to resume the run, where Ray has started this actor again on another
                host.
            run: the run's folder.
            environment: the variables of the user's shell.
            folder: the folder that it starts in, where this host has it.
            events: the names of the function's events for its start and its status.
        """
        os.environ.update(carried(environment))
        for name in [name for name in os.environ if name.startswith("RAY_JOB")]:
            del os.environ[name]
        if folder.is_dir():
            os.chdir(folder)
        self._started, self._status_event = events
        # The newest lines, and the number of all that there have been.
        self._lines: collections.deque[str] = collections.deque(maxlen=_MAX_LINES)
        self._num_lines = 0
        self._status: Mapping[str, Any] | None = None
        self._folder: str | None = None
        self._end: RunEnd | None = None
        self._changed = threading.Condition()
        self._child: ChildProcess | None = None
        self._asked = 0
        self._stopping = threading.Lock()
        self._run_folder = run
        self._has_predecessor = _was_started_again() and run.experiment.is_file()
        if self._has_predecessor:
            arguments = resuming
        else:
            run_end.forget(run)
        threading.Thread(target=self._run, args=(function, arguments), name="run").start()

    def news(self, next_line: int, seconds: float) -> News:
        """What is new; waits for a line or the end, so many seconds at most.

        Args:
            next_line: `News.next_line` of the last time, 0 at first.
            seconds: the longest wait.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._num_lines > next_line or self._is_over, timeout=seconds
            )
            num_new = min(max(self._num_lines - next_line, 0), len(self._lines))
            end = self._end or RunEnd()
            return News(
                self._num_lines,
                list(self._lines)[len(self._lines) - num_new :],
                self._status,
                self._folder,
                end.outcome,
                end.error,
            )

    def stop(self) -> bool:
        """Asks the run to end in order; a second time, at once. Returns False if it is over."""
        if self._is_over:
            return False
        with self._stopping:
            if self._child is None:
                self._asked += 1
            else:
                self._child.stop()
                time.sleep(_APART_S)
        return True

    def scale(self, num_actors: int) -> bool:
        """Asks the run to have so many actors; returns False if it has not begun, or is over."""
        if self._folder is None or self._is_over:
            return False
        scale.ask(RunFolder(Path(self._folder)), num_actors)
        return True

    def files(self, names: Sequence[str]) -> dict[str, bytes]:
        """The contents of those of these files that the run's folder has, by their names."""
        found: dict[str, bytes] = {}
        if self._folder is not None:
            for name in names:
                with contextlib.suppress(OSError):
                    found[name] = (Path(self._folder) / name).read_bytes()
        return found

    @property
    def _is_over(self) -> bool:
        return self._end is not None

    def _run(self, function: Callable[..., Any], arguments: Sequence[Any]) -> None:
        # In this thread, which stays: the kernel ends the child with the thread that started it.
        end = self._end_of_predecessor() if self._has_predecessor else None
        if end is None:
            end = self._run_to_the_end(function, arguments)
            run_end.record(self._run_folder, end)
        with self._changed:
            self._end = end
            self._changed.notify_all()
        time.sleep(_KEEP_S)
        _end_this_actor()

    def _end_of_predecessor(self) -> RunEnd | None:
        """How the run ended with the server before this one; None where it is to be resumed."""
        # It ends in order when its server is killed, which takes some seconds.
        lock.wait_until_free(self._run_folder.root, _PREDECESSOR_S)
        end = run_end.recorded(self._run_folder)
        if end is not None:
            self._folder = str(self._run_folder.root)
        return end

    def _run_to_the_end(self, function: Callable[..., Any], arguments: Sequence[Any]) -> RunEnd:
        try:
            child = ChildProcess(function, *arguments)
            with self._stopping:
                self._child = child
                for _ in range(self._asked):
                    child.stop()
                    time.sleep(_APART_S)
            while not child.is_over:
                for event, value in child.read(_POLL_S):
                    self._take(event, value)
            return RunEnd(child.value())
        except (ExperimentError, RunError, ChildError) as raised:
            return RunEnd(error=(type(raised).__name__, str(raised)))
        except Exception as raised:  # Followers are told, rather than wait for ever.
            reason = f"The process of the run could not be started or followed ({raised})."
            return RunEnd(error=(RunError.__name__, reason))

    def _take(self, event: str, value: Any) -> None:
        with self._changed:
            if event == self._started:
                self._folder = value
            elif event == self._status_event:
                self._status = value
                return
            else:
                self._lines.append(str(value) if event == PRINTED else f"{event}: {value}")
                self._num_lines += 1
            self._changed.notify_all()


def _was_started_again() -> bool:
    import ray

    return bool(ray.get_runtime_context().was_current_actor_reconstructed)


def _end_this_actor() -> None:
    """Ends the actor of this process for good: of one that a signal ends, Ray starts another."""
    import ray

    ray.kill(ray.get_runtime_context().current_actor, no_restart=True)


def name_of(folder: RunFolder) -> str:
    """The name of a run's server in the cluster."""
    return f"run {folder.root}"


def prefix_of_hosts(folder: RunFolder) -> str:
    """What the names of the actors that have a run's processes begin with, one on each host."""
    return f"{name_of(folder)} host "


def start(
    folder: RunFolder,
    function: Callable[..., Any],
    arguments: Sequence[Any],
    resuming: Sequence[Any],
    environment: Mapping[str, str],
    start_folder: Path,
    events: tuple[str, str],
) -> ActorHandle[Any]:
    """Starts a run in the cluster that this process is connected to; see `RunServer`.

    Raises:
        ExperimentError: the same run is running.
    """
    import ray

    in_use = ExperimentError(
        f"{folder.root} is in use by a run that is still running: stop that first, or attach to "
        f"it: quinoa train --attach={folder.root}."
    )
    if (server := find(folder)) is not None:
        news: News = ray.get(server.news.remote(0, 0.0), timeout=_ANSWER_S)
        if not news.is_over:
            raise in_use
        ray.kill(server)
        _wait_until_gone(folder)
    # The run's own folder may not be there yet.
    parent = folder.root.parent
    parent.mkdir(parents=True, exist_ok=True)
    with shared_folder.marked(parent) as mark:
        is_shared = shared_folder.is_everywhere(parent, mark)
    options: dict[str, Any] = {
        "name": name_of(folder),
        "namespace": NAMESPACE,
        "lifetime": "detached",
        "num_cpus": 0,
        "max_concurrency": 16,
        # Here. A soft affinity would leave the host to chance, as Ray heeds none of an actor that
        # takes no resources.
        "label_selector": {"ray.io/node-id": ray.get_runtime_context().get_node_id()},
    }
    # Where only this host has the folder, no other can resume the run.
    if is_shared:
        options |= {"fallback_strategy": [{"label_selector": {}}], "max_restarts": -1}
    try:
        actor: ActorHandle[Any] = (
            ray.remote(RunServer)
            .options(**options)
            .remote(
                function,
                list(arguments),
                list(resuming),
                folder,
                carried(environment),
                start_folder,
                events,
            )
        )
    except ray.exceptions.ActorAlreadyExistsError:
        # Two were started at the same time.
        raise in_use from None
    return actor


def find(folder: RunFolder) -> ActorHandle[Any] | None:
    """The server of a run, in the cluster that this process is connected to; None without one."""
    import ray

    try:
        return ray.get_actor(name_of(folder), namespace=NAMESPACE)
    except ValueError:
        return None


def _wait_until_gone(folder: RunFolder) -> None:
    deadline = time.monotonic() + _ANSWER_S
    while find(folder) is not None and time.monotonic() < deadline:
        time.sleep(_POLL_S)
