"""The process of a node somewhere in a Ray cluster, as the supervisor sees it."""

from __future__ import annotations

import dataclasses
import signal
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from quinoa.launch.engines.ray.hosted_process import Look, Task
from quinoa.launch.engines.ray.placement import Place, Reservation
from quinoa.launch.nodes.exit_codes import TOLD_TO_STOP
from quinoa.launch.run.roles import Role, node_name

if TYPE_CHECKING:
    from quinoa.launch.engines.ray.host_watch import HostWatch

# Seconds from one look for a place to the next.
_PLACE_S = 1.0
# Seconds that a host which does not answer may take until Ray finds it dead, or it answers again.
_SETTLE_S = 120.0


class RemoteProcess:
    """A node's process on a host that Ray chooses: see `Process`.

    A thread of its own finds its place and has it started there, so that no method waits for the
    network for long. Then its host's `HostWatch` tells it how it goes. Until Ray has a place for
    it, it gives signs of life: a cluster may be full for as long as it likes.
    """

    def __init__(
        self,
        task: Task,
        reserve: Callable[[], Reservation],
        ready: Callable[[Role, Place], HostWatch | None],
        all_answer: Callable[[], bool],
    ):
        """Begins to look for a place.

        Args:
            task: what it runs.
            reserve: asks Ray for room.
            ready: makes the host of a place ready for the process; None while that does not
                answer. Raises `OSError` where the host cannot be made ready.
            all_answer: whether all hosts of the run answer. While one does not, Ray is not asked
                for room: it would reserve it there, wait for that host to answer, and reserve
                nothing else anywhere meanwhile.
        """
        self.role = task.role
        self.name = node_name(task.role, task.index)
        self.was_killed = False
        self.place: Place | None = None
        self._task = task
        self._reserve = reserve
        self._ready = ready
        self._all_answer = all_answer
        self._watch: HostWatch | None = None
        self._reservation: Reservation | None = None
        self._pid = 0
        self._beats = self._before_start = 0
        self._exit_code: int | None = None
        self._failure = self._log = ""
        self._is_lost = self._is_closed = False
        self._lock = threading.Lock()
        threading.Thread(target=self._start, name=self.name, daemon=True).start()

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

    @property
    def is_starting(self) -> bool:
        """Whether it has given no sign of life of its own yet."""
        return self._beats == self._before_start

    def took(self, look: Look) -> None:
        """Notes how it goes."""
        if look.pid:
            self._pid = look.pid
        if look.exit_code is not None:
            self._end(look.exit_code, look.failure)
        elif look.beats:
            # What it has counted before its start stays a part of it.
            self._beats = self._before_start + look.beats

    def lose(self, reason: str) -> None:
        """Notes that nothing can be known of it any more, or that it cannot be started."""
        where = "" if self.place is None else f" on {self.place.name}"
        self._is_lost = True
        self._end(-signal.SIGKILL, f"{self.name}{where} is lost: {reason}")

    def terminate(self) -> None:
        """See `Process`."""
        if self._exit_code is not None:
            return
        if self._watch is not None:
            self._watch.terminate(self._task.key)
        else:
            self._end(TOLD_TO_STOP, f"{self.name} was stopped before it had started.")

    def kill(self) -> None:
        """See `Process`."""
        was_running = self._exit_code is None
        code: int | None = None
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        # A host that is lost ends its processes by itself, and would be waited for in vain: a
        # hundred processes of one would keep the supervisor from all others for minutes.
        if self._watch is not None:
            look = self._watch.kill(self._task.key, waits=not self._is_lost)
            code, self._log = look.exit_code, look.failure
        self.was_killed = was_running
        self._end(-signal.SIGKILL if code is None else code, f"{self.name} was killed.")
        self._release()

    def leave_stacks(self) -> None:
        """See `Process`."""
        if self._watch is not None:
            self._watch.leave_stacks(self._task.key)

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

    def _start(self) -> None:
        """Finds a place for the process, and has it started there."""
        try:
            deadline = time.monotonic() + _SETTLE_S
            while self._exit_code is None and time.monotonic() < deadline:
                if self._all_answer():
                    break
                self._beats += 1
                time.sleep(_PLACE_S)
            if self._exit_code is not None:
                return
            reservation = self._reserve()
            with self._lock:
                self._reservation = reservation
                is_closed = self._is_closed
            if is_closed:
                self._release()
                return
            watch = self._placed(reservation)
            if watch is None:
                return
            self._before_start = self._beats
            variables = reservation.variables()
            watch.start(dataclasses.replace(self._task, variables=variables), self)
            self._watch = watch
            if self._exit_code is not None:
                # It was ended meanwhile.
                watch.kill(self._task.key, waits=False)
        # Of many types: Ray's own for an actor or a host that is gone, and those of `ready`.
        except Exception as error:
            # The lines of Ray's errors end with the one that says most.
            self.lose((str(error).strip().splitlines() or [type(error).__name__])[-1])

    def _release(self) -> None:
        with self._lock:
            reservation, self._reservation = self._reservation, None
        if reservation is not None:
            # Ray may take its time, or be gone.
            threading.Thread(target=reservation.release, name="release", daemon=True).start()

    def _placed(self, reservation: Reservation) -> HostWatch | None:
        """Waits for a place on a host that answers; None if the process has ended before."""
        while self._exit_code is None:
            began = time.monotonic()
            place = reservation.place(_PLACE_S)
            if place is not None:
                self.place = place
                watch = self._ready(self.role, place)
                if watch is not None:
                    return watch
                # Ray may find that the host is dead, and choose another.
                time.sleep(max(0.0, began + _PLACE_S - time.monotonic()))
            self._beats += 1
        return None
