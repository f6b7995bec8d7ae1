"""A `Process` made of nothing but plain values: a supervisor needs no more."""

from __future__ import annotations

import signal

from quinoa.launch.run.roles import Role


class FakeProcess:
    """Ends, and gives signs of life, as the test says.

    Attributes:
        obeys: the exit status with which it ends when it is told to stop; None if it does not.
        calls: what it was asked to do, in order.
    """

    def __init__(self, role: Role = Role.ACTOR, index: int = 0, *, obeys: int | None = 0):
        self.role = role
        self.name = f"{role}-{index}"
        self.pid = 7
        self.host: str | None = None
        self.beats = 0
        self.exit_code: int | None = None
        self.was_killed = False
        self.obeys = obeys
        self.calls: list[str] = []

    @property
    def is_gone(self) -> bool:
        return "kill" in self.calls

    def terminate(self) -> None:
        self.calls.append("terminate")
        if self.exit_code is None:
            self.exit_code = self.obeys

    def kill(self) -> None:
        if not self.is_gone and self.exit_code is None:
            self.was_killed = True
            self.exit_code = -signal.SIGKILL
        self.calls.append("kill")

    def leave_stacks(self) -> None:
        assert not self.is_gone
        self.calls.append("leave_stacks")

    def failure(self) -> str:
        return "Traceback\nValueError: of its own"

    def with_log(self, reason: str) -> str:
        return f"the log\n{reason}"
