"""Keeping a run's processes up: which are started again when they fail, how soon, and how often."""

from __future__ import annotations

import collections
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from launch.engines.base import Outcome, RunResult
from launch.engines.processes import NodeProcess
from launch.terminal import say

# So many failures of one node within so many seconds end the run: it would go on failing.
MAX_FAILURES = 3
WITHIN_S = 60.0
# Seconds until a node that has failed is started again: at once, then longer and longer.
_DELAYS_S = (0.0, 1.0, 4.0, 15.0, 30.0)


class Node:
    """A node of a run, and the process that it has at present."""

    def __init__(self, start: Callable[[], NodeProcess], *, may_end: bool):
        """Starts its process.

        Args:
            start: starts one.
            may_end: whether it is done when its process ends without an error; any other that ends
                has failed.
        """
        self._start = start
        self._may_end = may_end
        self._failures: collections.deque[float] = collections.deque(maxlen=MAX_FAILURES)
        self._restart_at: float | None = None
        self.process = start()

    @property
    def is_done(self) -> bool:
        """Whether it has done what it was for."""
        return self._may_end and self.process.exit_code == 0

    @property
    def is_down(self) -> bool:
        """Whether it has failed and is yet to be started again."""
        return self._restart_at is not None

    @property
    def has_failed(self) -> bool:
        """Whether its process has just been found to have ended, and was not to."""
        return not self.is_down and not self.is_done and self.process.exit_code is not None

    def plan_restart(self, now: float) -> float | None:
        """After a failure: returns the seconds until it is started again, or None to give up."""
        self._failures.append(now)
        if len(self._failures) == MAX_FAILURES and now - self._failures[0] < WITHIN_S:
            return None
        recent = sum(now - failure < WITHIN_S for failure in self._failures)
        delay = _DELAYS_S[min(recent, len(_DELAYS_S)) - 1]
        self._restart_at = now + delay
        return delay

    def restart_if_due(self, now: float) -> float | None:
        """Starts it again if that is due; returns for how many seconds it was down."""
        if self._restart_at is None or now < self._restart_at:
            return None
        # What it has left of children and of the process itself.
        self.process.kill()
        self.process = self._start()
        self._restart_at = None
        return now - self._failures[-1]


class Supervisor:
    """Starts nodes again that fail, until one of them fails too often."""

    def __init__(self, nodes: Sequence[Node], events: Path):
        """Takes nodes that run.

        Args:
            nodes: of the run.
            events: the file that gets a line of JSON on each failure and each restart.
        """
        self._nodes = nodes
        self._events = events

    def tend(self) -> RunResult | None:
        """Looks at every node once; returns a result when one has failed too often."""
        now = time.monotonic()
        for node in self._nodes:
            if node.has_failed:
                error = node.process.failure()
                reason = error.splitlines()[-1]
                delay = node.plan_restart(now)
                self._record("failed", node, reason=reason, restart_in_s=delay)
                if delay is None:
                    return RunResult(Outcome.FAILED, node.process.name, error)
                say(f"quinoa: note: {node.process.name} is started again: {reason}", sys.stderr)
            down = node.restart_if_due(now)
            if down is not None:
                self._record("restarted", node, down_s=round(down, 3))
        return None

    def _record(self, event: str, node: Node, **details: object) -> None:
        line = {"wall_time": time.time(), "event": event, "node": node.process.name, **details}
        with self._events.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
