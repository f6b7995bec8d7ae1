"""Asks one host after all processes of a run there, and tells each how it goes."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from quinoa.launch.engines.ray.host_processes import Looks
from quinoa.launch.engines.ray.hosted_process import Look, Task

if TYPE_CHECKING:
    from ray.actor import ActorHandle

    from quinoa.launch.engines.ray.remote_process import RemoteProcess

# Seconds between two looks at processes that run on, and at some that are still starting.
_WATCH_S = 1.0
_STARTING_S = 0.2
# Seconds that a host may take to answer what the supervisor waits for.
_ANSWER_S = 5.0
_POLL_S = 0.2


_CLOSED = "nothing of the run starts there any more"


class HostLostError(ConnectionError):
    """A host does not answer any more."""


class HostWatch:
    """Follows the processes of one host: one question a second, however many they are.

    Any thread may call its methods.
    """

    def __init__(
        self, agent: ActorHandle[Any], host_timeout_s: float, on_note: Callable[[str], object]
    ):
        """Follows none yet.

        Args:
            agent: the host's `HostAgent`.
            host_timeout_s: seconds without an answer after which the host is given up.
            on_note: called with each line that the host has to tell.
        """
        self._agent = agent
        self._host_timeout_s = host_timeout_s
        self._on_note = on_note
        self._followed: dict[str, RemoteProcess] = {}
        self._changed = threading.Condition()
        self._is_closed = False
        threading.Thread(target=self._run, name="host", daemon=True).start()

    def start(self, task: Task, process: RemoteProcess) -> None:
        """Has a process started, and follows it.

        Raises:
            HostLostError: the host does not answer.
            ray.exceptions.RayError: it is gone.
        """
        self._answer(lambda: self._agent.start.remote(task), self._host_timeout_s)
        with self._changed:
            if self._is_closed:
                raise HostLostError(_CLOSED)
            self._followed[task.key] = process
            self._changed.notify_all()

    def terminate(self, key: str) -> None:
        """See `Process`."""
        self._agent.terminate.remote(key)

    def leave_stacks(self, key: str) -> None:
        """See `Process`."""
        import ray

        with contextlib.suppress(Exception):
            ray.get(self._agent.leave_stacks.remote(key), timeout=_ANSWER_S)

    def kill(self, key: str, *, waits: bool) -> Look:
        """Ends a process, and follows it no more; returns how it ended, as far as that is known.

        Args:
            key: of the process.
            waits: whether to wait for the host's answer.
        """
        import ray

        with self._changed:
            self._followed.pop(key, None)
        look = Look()
        with contextlib.suppress(Exception):
            asked = self._agent.kill.remote(key)
            if waits:
                look = ray.get(asked, timeout=_ANSWER_S)
        return look

    def lose(self, reason: str) -> None:
        """Has all processes be lost, and starts and follows none any more."""
        with self._changed:
            self._is_closed = True
            followed, self._followed = self._followed, {}
            self._changed.notify_all()
        for process in followed.values():
            process.lose(reason)

    def close(self) -> None:
        """Starts and follows nothing any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._followed or self._is_closed)
                if self._is_closed:
                    return
                followed = dict(self._followed)
            try:
                looks = self._look(followed)
            # Of many types: Ray's own for an actor or a host that is gone.
            except Exception as error:
                if not self._is_closed:
                    # The lines of Ray's errors end with the one that says most.
                    reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
                    for process in followed.values():
                        process.lose(reason)
                    self._drop(followed)
                continue
            for key, look in looks.processes.items():
                followed[key].took(look)
            for note in looks.notes:
                self._on_note(note)
            self._drop([key for key, process in followed.items() if process.exit_code is not None])

    def _look(self, followed: dict[str, RemoteProcess]) -> Looks:
        is_starting = any(process.is_starting for process in followed.values())
        seconds = _STARTING_S if is_starting else _WATCH_S
        looks: Looks = self._answer(
            lambda: self._agent.look.remote(list(followed), seconds), self._host_timeout_s + seconds
        )
        return looks

    def _drop(self, keys: Collection[str]) -> None:
        with self._changed:
            for key in keys:
                self._followed.pop(key, None)

    def _answer(self, ask: Callable[[], Any], timeout_s: float) -> Any:
        """Waits for an answer, asking again where the question did not get through."""
        import ray

        deadline = time.monotonic() + timeout_s
        while not self._is_closed:
            try:
                asked = ask()
                while not self._is_closed and time.monotonic() < deadline:
                    ready, _ = ray.wait([asked], timeout=_POLL_S)
                    if ready:
                        return ray.get(asked)
            except ray.exceptions.ActorUnavailableError:
                time.sleep(_POLL_S)
            if time.monotonic() >= deadline:
                raise HostLostError(f"its host has not answered for {timeout_s:.0f} s")
        raise HostLostError(_CLOSED)
