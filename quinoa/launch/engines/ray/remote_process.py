"""The process of a node somewhere in a Ray cluster, as the supervisor sees it."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from quinoa.launch.engines.ray.node_host import Look, Place, Task
from quinoa.launch.nodes.exit_codes import TOLD_TO_STOP
from quinoa.launch.run.roles import Role, node_name

if TYPE_CHECKING:
    from ray.actor import ActorHandle

    from quinoa.launch.engines.ray.hosts import Ready

# Seconds between two looks at a process that runs on.
_WATCH_S = 1.0
# Seconds that a host may take to answer what the supervisor waits for.
_ANSWER_S = 5.0
_POLL_S = 0.2


class HostLostError(ConnectionError):
    """The host of a process does not answer any more."""


class RemoteProcess:
    """A node's process on a host that Ray chooses: see `Process`.

    A thread of its own follows it, so that no method waits for the network for long. Until Ray has
    a place for it, it gives signs of life: a cluster may be full for as long as it likes.
    """

    def __init__(
        self,
        task: Task,
        actor: ActorHandle[Any],
        ready: Callable[[Role, Place], Ready],
        host_timeout_s: float,
    ):
        """Begins to follow it.

        Args:
            task: what it runs.
            actor: a `NodeHost` that Ray is placing.
            ready: called when it has a place: makes that host ready for the process. Raises
                `OSError` where it cannot.
            host_timeout_s: seconds without an answer after which its host is given up.
        """
        self.role = task.role
        self.name = node_name(task.role, task.index)
        self.was_killed = False
        self.place: Place | None = None
        self._task = task
        self._actor = actor
        self._ready = ready
        self._host_timeout_s = host_timeout_s
        self._pid = 0
        self._beats = self._before_start = 0
        self._exit_code: int | None = None
        self._failure = self._log = ""
        self._is_started = self._is_lost = False
        self._lock = threading.Lock()
        threading.Thread(target=self._follow, name=self.name, daemon=True).start()

    @property
    def pid(self) -> int:
        """Its number on its host; 0 until it has started there."""
        return self._pid

    @property
    def host(self) -> str | None:
        """See `Process`."""
        return None if self.place is None else self.place.name

    @property
    def beats(self) -> int:
        """See `Process`."""
        return self._beats

    @property
    def exit_code(self) -> int | None:
        """See `Process`; that of a process whose host is lost is that of one that was killed."""
        return self._exit_code

    def terminate(self) -> None:
        """See `Process`."""
        if self._exit_code is not None:
            return
        if self._is_started:
            self._actor.terminate.remote()
        else:
            self._end(TOLD_TO_STOP, f"{self.name} was stopped before it had started.")

    def kill(self) -> None:
        """See `Process`."""
        import ray

        was_running = self._exit_code is None
        code: int | None = None
        # A host that is lost ends its processes by itself, and would be waited for in vain: a
        # hundred processes of one would keep the supervisor from all others for minutes.
        if self._is_started and not self._is_lost:
            # An actor that is killed takes its process along, but not what that has started.
            with contextlib.suppress(Exception):
                look: Look = ray.get(self._actor.kill.remote(), timeout=_ANSWER_S)
                code, self._log = look.exit_code, look.failure
        with contextlib.suppress(Exception):
            ray.kill(self._actor)
        self.was_killed = self.was_killed or was_running
        self._end(-signal.SIGKILL if code is None else code, f"{self.name} was killed.")

    def leave_stacks(self) -> None:
        """See `Process`."""
        import ray

        if self._is_started:
            with contextlib.suppress(Exception):
                ray.get(self._actor.leave_stacks.remote(), timeout=_ANSWER_S)

    def failure(self) -> str:
        """See `Process`."""
        return self._failure

    def with_log(self, reason: str) -> str:
        """See `Process`; of a log on another host, `kill` has brought the end."""
        return f"{self._log}\n{reason}" if self._log else reason

    def _end(self, code: int, why: str) -> None:
        with self._lock:
            if self._exit_code is None:
                self._failure = why
                self._exit_code = code

    def _follow(self) -> None:
        """Follows the process from its place to its end."""
        try:
            place = self._placed()
            if place is None:
                return
            self.place = place
            ready = self._ready(self.role, place)
            self._pid = self._answer(
                self._actor.start.remote(self._task, ready.network), self._host_timeout_s
            )
            self._before_start = self._beats
            self._is_started = True
            while self._exit_code is None:
                self._watch()
                if ready.is_lost.is_set():
                    raise HostLostError("the run's network there is gone")
        # Of many types: Ray's own for an actor or a host that is gone, and those of `ready`.
        except Exception as error:
            # The lines of Ray's errors end with the one that says most.
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            where = "" if self.place is None else f" on {self.place.name}"
            self._is_lost = True
            self._end(-signal.SIGKILL, f"{self.name}{where} is lost: {reason}")

    def _placed(self) -> Place | None:
        """Waits until Ray has a place; None if the process is told to stop before."""
        import ray

        asked = self._actor.place.remote()
        while self._exit_code is None:
            ready, _ = ray.wait([asked], timeout=_POLL_S)
            if ready:
                place: Place = ray.get(asked)
                return place
            self._beats += 1
        return None

    def _watch(self) -> None:
        look: Look = self._answer(
            self._actor.watch.remote(_WATCH_S), self._host_timeout_s + _WATCH_S
        )
        if look.exit_code is not None:
            self._end(look.exit_code, look.failure)
        elif look.beats:
            # What it has counted before its start stays a part of it.
            self._beats = self._before_start + look.beats

    def _answer(self, asked: Any, timeout_s: float) -> Any:
        import ray

        deadline = time.monotonic() + timeout_s
        while self._exit_code is None and time.monotonic() < deadline:
            ready, _ = ray.wait([asked], timeout=_POLL_S)
            if ready:
                return ray.get(asked)
        raise HostLostError(f"its host has not answered for {timeout_s:.0f} s")
