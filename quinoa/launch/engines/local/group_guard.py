"""Ends groups of processes when this process ends, also where it is killed.

A node ends with the engine, as the kernel sees to that; what its environment has started does not.
So another process has a pipe to this one, and kills the groups that are left when that closes.

As a main program it is that other process. It imports nothing that takes time or memory.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

_END_S = 2.0


class GroupGuard:
    """The groups that are to end with this process. Threads may share it.

    The other process is there while there are any. Where it cannot be started, or is killed, these
    groups are not ended.
    """

    def __init__(self) -> None:
        """Starts nothing yet."""
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self._other: subprocess.Popen[bytes] | None = None

    def add(self, group: int) -> None:
        """Has a group end with this process from now on."""
        with self._lock:
            self._groups.add(group)
            if self._other is None:
                with contextlib.suppress(OSError):
                    self._other = _started()
            self._tell(f"+{group}\n")

    def remove(self, group: int) -> None:
        """Forgets a group, whose number may soon be another's."""
        with self._lock:
            if group not in self._groups:
                return
            self._groups.remove(group)
            self._tell(f"-{group}\n")
            if not self._groups:
                self._close()

    def _tell(self, text: str) -> None:
        if self._other is not None:
            assert self._other.stdin is not None
            with contextlib.suppress(OSError):
                self._other.stdin.write(text.encode())

    def _close(self) -> None:
        import subprocess

        other, self._other = self._other, None
        if other is None:
            return
        assert other.stdin is not None
        other.stdin.close()
        try:
            other.wait(_END_S)
        except subprocess.TimeoutExpired:
            other.kill()
            other.wait()


def kill_with_group(leader: int) -> None:
    """Kills a child that has not been waited for, and all that is in the group that it leads.

    A child that has just been forked may have no group yet, so that a signal to its group alone
    would not reach it.
    """
    os.kill(leader, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


# What this process has started for users' code: that, and what it has started, ends with this one.
GUARD = GroupGuard()


def _started() -> subprocess.Popen[bytes]:
    import subprocess

    return subprocess.Popen(
        [sys.executable, "-I", "-S", os.path.abspath(__file__)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # What is written is there at once.
        bufsize=0,
        cwd="/",
        # What ends this one's group, such as Ctrl-C, is not to end it.
        start_new_session=True,
    )


def _main(lines: Iterable[bytes]) -> None:
    # A service manager sends it to all; this one ends when the pipe is closed.
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in lines:
        change = groups.add if line.startswith(b"+") else groups.discard
        change(int(line[1:]))
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    _main(sys.stdin.buffer)
