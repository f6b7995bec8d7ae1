"""Keeping a run's processes up: which are started again when they fail, how soon, and how often."""

from __future__ import annotations

import collections
import contextlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from launch.engines.base import Outcome, RunResult
from launch.engines.processes import NodeProcess
from launch.nodes import FATAL
from launch.terminal import say

# So many failures of one node within so many seconds end the run: it would go on failing. A node
# that must get on (the learner) is given up, too, after so many failures without having got on.
MAX_FAILURES = 3
WITHIN_S = 60.0
# Seconds until a node that has failed is started again: at once, and then not.
_DELAYS_S = (0.0, 1.0)


class Node:
    """A node of a run, and the process that it has at present."""

    def __init__(
        self,
        start: Callable[[], NodeProcess],
        *,
        may_end: bool,
        progress: Callable[[], object] | None = None,
    ):
        """Starts its process.

        Args:
            start: starts one.
            may_end: whether it is done when its process ends without an error; any other that ends
                has failed.
            progress: tells how far it is, as something that can be compared: a node that fails
                where it failed before has not got on. None is not asked.
        """
        self._start = start
        self._may_end = may_end
        self._progress = progress
        self._failures: collections.deque[float] = collections.deque(maxlen=MAX_FAILURES)
        self._failures_here, self._here = 0, object()
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
        recent = sum(now - failure < WITHIN_S for failure in self._failures)
        if self._progress is not None:
            here = self._progress()
            self._failures_here = self._failures_here + 1 if here == self._here else 1
            self._here = here
        if recent == MAX_FAILURES or self._failures_here == MAX_FAILURES:
            return None
        delay = _DELAYS_S[recent - 1]
        self._restart_at = now + delay
        return delay

    def restart(self) -> None:
        """Starts it again after a failure."""
        # What is left of its children and of the process itself.
        self.process.kill()
        self.process = self._start()
        self._restart_at = None

    def is_due(self, now: float) -> bool:
        """Whether it is to be started again now."""
        return self._restart_at is not None and now >= self._restart_at


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
                result = self._fail(node, now, node.process.failure())
                if result is not None:
                    return result
            if node.is_due(now):
                try:
                    node.restart()
                except OSError as error:
                    # No memory or no process to be had: as if it had started and failed.
                    result = self._fail(node, now, f"{node.process.name}: {error}")
                    if result is not None:
                        return result
                else:
                    self._record("restarted", node)
        return None

    def restart(self, nodes: Sequence[Node]) -> None:
        """Starts those of these nodes again, at once, that have failed or wait for a restart."""
        for node in nodes:
            if node.is_down or node.has_failed:
                node.restart()
                self._record("restarted", node)

    def _fail(self, node: Node, now: float, error: str) -> RunResult | None:
        name, reason = node.process.name, error.splitlines()[-1]
        is_fatal = node.process.exit_code == FATAL
        delay = None if is_fatal else node.plan_restart(now)
        self._record("failed", node, reason=reason, restart_in_s=delay)
        if delay is None:
            return RunResult(Outcome.FAILED, name, error)
        say(f"quinoa: note: {name} is started again: {reason}", sys.stderr)
        return None

    def _record(self, event: str, node: Node, **details: object) -> None:
        line = {"wall_time": time.time(), "event": event, "node": node.process.name, **details}
        # A full disk must not take the processes down.
        with contextlib.suppress(OSError), self._events.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
