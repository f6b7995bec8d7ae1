"""A node's process as the supervisor sees it, on whichever machine it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from quinoa.launch.run.roles import Role

_POLL_S = 0.02


class Process(Protocol):
    """The process of one node, from its start to its end; a restart makes another one.

    An engine implements this for the processes that it starts. No method may block for long: one
    thread asks all processes of a run in turn, several times a second.
    """

    @property
    def role(self) -> Role:
        """What the node does."""

    @property
    def name(self) -> str:
        """The name of the node: its role and its index among the nodes of that role."""

    @property
    def pid(self) -> int:
        """The number of the process on its machine; 0 while it waits for one in a cluster."""

    @property
    def host(self) -> str | None:
        """The name of the machine that the process is on; None for the machine of this process."""

    @property
    def beats(self) -> int:
        """The signs of life that the process has given so far; not asked for after `kill`."""

    @property
    def exit_code(self) -> int | None:
        """The exit status; minus a signal's number if that ended it; None while it runs.

        After `kill` it is known.
        """

    @property
    def was_killed(self) -> bool:
        """Whether `kill` found the process running."""

    def terminate(self) -> None:
        """Asks the process to stop in order; does nothing if it has ended."""

    def kill(self) -> None:
        """Ends the process and all that it started, at once; a second call does nothing."""

    def leave_stacks(self) -> None:
        """Has the process write the stack of each of its threads to its log, if it still can."""

    def failure(self) -> str:
        """Why the process has ended: its error, or else the end of its log and its exit status."""

    def with_log(self, reason: str) -> str:
        """The end of the process's log, and the reason as the last line."""


# Starts a process of a node. Raises OSError where there is no process or no memory to be had.
Start = Callable[[], Process]


def wait(processes: Sequence[Process], timeout_s: float, give_up: Callable[[], bool]) -> None:
    """Waits until all have ended, or the time is up, or `give_up()`."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and not give_up():
        if all(process.exit_code is not None for process in processes):
            return
        time.sleep(_POLL_S)
