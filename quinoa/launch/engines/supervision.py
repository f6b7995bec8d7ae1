"""Keeping a run's processes up: which are started again when they fail, how soon, and how often."""

from __future__ import annotations

import collections
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from quinoa.launch.engines.awake_clock import AwakeClock
from quinoa.launch.engines.base import Outcome, RunResult
from quinoa.launch.engines.local.processes import NodeProcess
from quinoa.launch.engines.restarts import Restarts
from quinoa.launch.nodes.exit_codes import FATAL, RUN_IS_OVER, TOLD_TO_STOP
from quinoa.launch.run import events
from quinoa.launch.terminal.output import say

# So many failures of one node within so many seconds end the run: it would go on failing. So do
# as many of which none got further than the one before: for the learner, to another checkpoint, for
# any other, to a first sign of life.
MAX_FAILURES = 3
WITHIN_S = 60.0
# A process that somebody else killed says nothing of the node; but so many in a row do, of the
# machine.
MAX_KILLED = 10
_KILLED = (TOLD_TO_STOP, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP)
# Seconds until a node is started again, by its failures within `WITHIN_S`; the last for any more.
_DELAYS_S = (0.0, 1.0, 2.0, 4.0)

# Seconds that a process may take to its first sign of life: imports on a busy machine take most of
# a minute, and what restores a large state more.
START_TIMEOUT_S = 300.0

# Seconds from one try to the next to write what a full disk did not take.
_FLUSH_S = 1.0


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
            may_end: whether it is done when its process ends with `RUN_IS_OVER`. A process that
                ends in any other way, or of any other node, has failed.
            progress: tells how far it is, as something that can be compared: a node that fails
                where it failed before has not got on. By default, how many of its processes have
                come to a first sign of life.
        """
        self._start = start
        self._may_end = may_end
        self._num_lives = 0
        self._progress = progress or (lambda: self._num_lives)
        # When it failed, and whether it had been killed.
        self._failures: collections.deque[tuple[float, bool]] = collections.deque(maxlen=MAX_KILLED)
        self._here: object = object()
        self._failures_here: list[bool] = []
        self._restart_at: float | None = None
        # Since when the run has had to do without it, and by which clock it last gave a sign.
        self._missed_since: float | None = None
        self._beats = 0
        self._beat_at: float | None = None
        self._restarts = 0
        self.process = start()

    @property
    def described(self) -> dict[str, object]:
        """What `ProcessList` says of it."""
        if self.is_done:
            state = "done"
        elif self.is_down or self.process.exit_code is not None:
            state = "down"
        else:
            state = "running" if self._beats else "starting"
        return {
            "name": self.process.name,
            "role": self.process.group,
            "pid": self.process.pid,
            "state": state,
            "restarts": self._restarts,
        }

    @property
    def is_done(self) -> bool:
        """Whether it has done what it was for."""
        return self._may_end and self.process.exit_code == RUN_IS_OVER

    @property
    def is_down(self) -> bool:
        """Whether it has failed and is yet to be started again."""
        return self._restart_at is not None

    @property
    def has_failed(self) -> bool:
        """Whether its process has just been found to have ended, and was not to."""
        return not self.is_down and not self.is_done and self.process.exit_code is not None

    @property
    def was_killed(self) -> bool:
        """Whether somebody else has ended its process, by a signal."""
        code = self.process.exit_code
        # Told to stop, a node that may end by itself says which of the two it was; others return.
        return code in _KILLED or (code == 0 and not self._may_end)

    def listen(self, awake_s: float, now: float) -> float | None:
        """Listens for a sign of life.

        Args:
            awake_s: by an `AwakeClock`.
            now: by the monotonic clock.

        Returns:
            The seconds for which it was missed, if this is its first sign since it failed.
        """
        beats = self.process.heartbeat.count
        if self._beat_at is None:
            self._beat_at = awake_s
        if beats == self._beats:
            return None
        if self._beats == 0:
            self._num_lives += 1
        self._beats, self._beat_at = beats, awake_s
        if self._missed_since is None:
            return None
        missed_s, self._missed_since = now - self._missed_since, None
        return missed_s

    def hangs_for(self, awake_s: float, hang_timeout_s: float) -> float | None:
        """The seconds without a sign of life, if they are too many."""
        assert self._beat_at is not None  # It has been listened to.
        silent_s = awake_s - self._beat_at
        limit_s = hang_timeout_s if self._beats else max(hang_timeout_s, START_TIMEOUT_S)
        return silent_s if silent_s >= limit_s else None

    def plan_restart(self, now: float, *, killed: bool, silent_s: float) -> float | None:
        """After a failure: returns the seconds until it is started again, or None to give up.

        Args:
            now: by the monotonic clock.
            killed: whether somebody else ended its process.
            silent_s: for how long it had given no sign of life by then, if that is the failure.
        """
        if self._missed_since is None:
            self._missed_since = now - silent_s
        self._failures.append((now, killed))
        recent = [was_killed for then, was_killed in self._failures if now - then < WITHIN_S]
        if (here := self._progress()) != self._here:
            self._here, self._failures_here = here, []
        self._failures_here.append(killed)
        if _are_too_many(recent) or _are_too_many(self._failures_here):
            return None
        delay = _DELAYS_S[min(len(recent), len(_DELAYS_S)) - 1]
        self._restart_at = now + delay
        return delay

    def restart(self) -> None:
        """Starts it again after a failure."""
        # What is left of its children and of the process itself.
        self.process.kill()
        self.process = self._start()
        self._restarts += 1
        self._restart_at = None
        self._beats, self._beat_at = 0, None

    def is_due(self, now: float) -> bool:
        """Whether it is to be started again now."""
        return self._restart_at is not None and now >= self._restart_at


def _are_too_many(killed: Sequence[bool]) -> bool:
    return len(killed) >= MAX_KILLED or len(killed) - sum(killed) >= MAX_FAILURES


class Supervisor:
    """Starts nodes again that fail or hang, until one of them fails too often."""

    def __init__(
        self, nodes: Sequence[Node], log: Path, restarts: Restarts, *, hang_timeout_s: float
    ):
        """Takes nodes that run.

        Args:
            nodes: of the run.
            log: `RunFolder.events`, which gets a line on each failure, each restart, and each
                first sign of life after that.
            restarts: counts them.
            hang_timeout_s: seconds without a sign of life after which a process has failed.
        """
        self._nodes = nodes
        self._log = log
        self._restarts = restarts
        self._hang_timeout_s = hang_timeout_s
        self._clock = AwakeClock()
        self._next_flush = time.monotonic()

    def tend(self) -> RunResult | None:
        """Looks at every node once; returns a result when one has failed too often."""
        now, awake_s = time.monotonic(), self._clock.look()
        for node in self._nodes:
            result = None
            if node.has_failed:
                result = self._fail(node, now, node.process.failure(), killed=node.was_killed)
            elif not node.is_down and not node.is_done:
                result = self._listen(node, now, awake_s)
            if result is None and node.is_due(now):
                try:
                    self._restart(node)
                except OSError as error:
                    # No memory or no process to be had: as if it had started and failed.
                    result = self._fail(node, now, f"{node.process.name}: {error}")
            if result is not None:
                return result
        if now >= self._next_flush:
            self._next_flush = now + _FLUSH_S
            events.flush(self._log)
            self._restarts.flush()
        return None

    def restart(self, nodes: Sequence[Node]) -> None:
        """Starts those of these nodes again, at once, that have failed or wait for a restart."""
        for node in nodes:
            if node.is_down or node.has_failed:
                self._restart(node)

    def _listen(self, node: Node, now: float, awake_s: float) -> RunResult | None:
        missed_s = node.listen(awake_s, now)
        if missed_s is not None:
            self._restarts.add_seconds(node.process.group, missed_s)
            self._record("back", node, seconds_lost=round(missed_s, 3))
        silent_s = node.hangs_for(awake_s, self._hang_timeout_s)
        if silent_s is None:
            return None
        node.process.leave_stacks()
        node.process.kill()
        reason = f"{node.process.name} made no progress for {silent_s:.0f} s, and was killed."
        return self._fail(node, now, node.process.with_log(reason), silent_s=silent_s)

    def _restart(self, node: Node) -> None:
        node.restart()
        self._restarts.add(node.process.group)
        self._record("restarted", node)

    def _fail(
        self, node: Node, now: float, error: str, *, killed: bool = False, silent_s: float = 0.0
    ) -> RunResult | None:
        name, reason = node.process.name, error.splitlines()[-1]
        is_fatal = node.process.exit_code == FATAL
        delay = None if is_fatal else node.plan_restart(now, killed=killed, silent_s=silent_s)
        self._record("failed", node, reason=reason, restart_in_s=delay)
        if delay is None:
            return RunResult(Outcome.FAILED, name, error)
        say(f"quinoa: note: {name} is started again: {reason}", sys.stderr)
        return None

    def _record(self, event: str, node: Node, **details: object) -> None:
        events.append(self._log, event, node.process.name, **details)
