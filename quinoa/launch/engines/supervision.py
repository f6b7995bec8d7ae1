"""Supervision: which processes are started again when they fail, how soon, and how often."""

from __future__ import annotations

import collections
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from quinoa.launch.engines.awake_clock import AwakeClock
from quinoa.launch.engines.process import Start
from quinoa.launch.engines.restarts import Restarts
from quinoa.launch.nodes.exit_codes import FATAL, RUN_IS_OVER, TOLD_TO_STOP
from quinoa.launch.run import events
from quinoa.launch.run.events import EventKind
from quinoa.launch.run.process_list import ListedNode, NodeState
from quinoa.launch.run.result import Outcome, RunResult
from quinoa.launch.run.roles import Role
from quinoa.launch.terminal.output import say

# So many failures of one node within so many seconds end the run, as it would fail again. So do as
# many in a row without progress between them: of the learner, another checkpoint; of any other
# node, a first sign of life.
MAX_FAILURES = 3
WITHIN_S = 60.0
# That a process was killed by something else is no fault of the node; so many in a row are a fault
# of the machine.
MAX_KILLED = 10
_KILLED = (TOLD_TO_STOP, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP)
# Seconds until a node is started again, by its failures within `WITHIN_S`; the last for any more.
_DELAYS_S = (0.0, 1.0, 2.0, 4.0)

# Seconds that a process may take to its first sign of life: on a busy machine imports take most of
# a minute, and restoring a large state takes longer.
START_TIMEOUT_S = 300.0

# Seconds between two attempts to write what a full disk did not take.
_FLUSH_S = 1.0


class Node:
    """A node of a run, and its current process.

    Attributes:
        may_end: whether the node may end by itself before the run does.
        process: the current process, which may have ended.
        is_retired: whether the run is to go on without it: its end is no failure.
    """

    def __init__(
        self,
        start: Start,
        *,
        may_end: bool,
        progress: Callable[[], object] | None = None,
    ):
        """Starts its process.

        Args:
            start: starts a process of the node.
            may_end: whether the node is done when its process ends with `RUN_IS_OVER`. A process
                that ends in any other way has failed, and so has one of a node that may not end.
            progress: returns a value that changes when the node gets further; if it is the same at
                two failures, there was no progress between them. By default, the number of
                processes of the node that have given a sign of life.
        """
        self._start = start
        self.may_end = may_end
        self._num_lives = 0
        self._progress = progress or (lambda: self._num_lives)
        # When it failed, and whether something else had killed it.
        self._failures: collections.deque[tuple[float, bool]] = collections.deque(maxlen=MAX_KILLED)
        self._here: object = object()
        self._failures_here: list[bool] = []
        self._restart_at: float | None = None
        # The time of the failure from which it is not back yet, and the awake time of its last sign
        # of life.
        self._missed_since: float | None = None
        self._beats = 0
        self._beat_at: float | None = None
        self._restarts = 0
        self.is_retired = False
        self.process = start()

    @property
    def role(self) -> Role:
        """What the node does."""
        return self.process.role

    @property
    def listed(self) -> ListedNode:
        """The node's entry in the list of processes."""
        if self.is_done:
            state = NodeState.DONE
        elif self.is_down or self.process.exit_code is not None:
            state = NodeState.DOWN
        elif not self.process.pid:
            state = NodeState.WAITING
        else:
            state = NodeState.RUNNING if self._beats else NodeState.STARTING
        return ListedNode(
            name=self.process.name,
            role=self.process.role,
            pid=self.process.pid,
            state=state,
            restarts=self._restarts,
            host=self.process.host,
        )

    @property
    def is_done(self) -> bool:
        """Whether it has ended by itself, as the run is over."""
        return self.may_end and self.process.exit_code == RUN_IS_OVER

    @property
    def is_down(self) -> bool:
        """Whether it has failed and has not been started again yet."""
        return self._restart_at is not None

    @property
    def has_failed(self) -> bool:
        """Whether its process has ended when it should not have, which has not been handled yet."""
        has_ended = self.process.exit_code is not None
        return has_ended and not (self.is_down or self.is_done or self.is_retired)

    @property
    def was_killed(self) -> bool:
        """Whether its process was ended by a signal that the supervisor did not send."""
        code = self.process.exit_code
        # At SIGTERM, a node that may end by itself exits with `TOLD_TO_STOP`; others exit with 0.
        return code in _KILLED or (code == 0 and not self.may_end)

    def retire(self) -> None:
        """Tells its process to stop, for good."""
        self.is_retired = True
        self._restart_at = None
        self.process.terminate()

    def listen(self, awake_s: float, now: float) -> float | None:
        """Looks for a sign of life.

        Args:
            awake_s: seconds of an `AwakeClock`.
            now: seconds of the monotonic clock.

        Returns:
            The seconds since its failure, if this is the first sign of life after one.
        """
        beats = self.process.beats
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
        """The seconds without a sign of life if they are too many, else None."""
        assert self._beat_at is not None  # It has been listened to.
        silent_s = awake_s - self._beat_at
        limit_s = hang_timeout_s if self._beats else max(hang_timeout_s, START_TIMEOUT_S)
        return silent_s if silent_s >= limit_s else None

    def plan_restart(self, now: float, *, killed: bool, silent_s: float) -> float | None:
        """Plans the restart after a failure.

        Args:
            now: seconds of the monotonic clock.
            killed: whether something else killed its process.
            silent_s: seconds without a sign of life, if that is the failure.

        Returns:
            The seconds until it is started again; None if it has failed too often.
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
        # This ends children that its process has left.
        self.process.kill()
        self.process = self._start()
        self._restarts += 1
        self._restart_at = None
        self._beats, self._beat_at = 0, None

    def is_due(self, now: float) -> bool:
        """Whether the time of its planned restart has come."""
        return self._restart_at is not None and now >= self._restart_at


def _are_too_many(killed: Sequence[bool]) -> bool:
    return len(killed) >= MAX_KILLED or len(killed) - sum(killed) >= MAX_FAILURES


class Supervisor:
    """Starts nodes again when they fail or hang, until one of them fails too often."""

    def __init__(
        self, nodes: Sequence[Node], log: Path, restarts: Restarts, *, hang_timeout_s: float
    ):
        """Takes nodes that have been started.

        Args:
            nodes: of the run.
            log: `RunFolder.events`, which gets a line for each failure, each restart, and each
                first sign of life after a restart.
            restarts: counts the restarts.
            hang_timeout_s: seconds without a sign of life after which a process has failed.
        """
        self._nodes = nodes
        self._log = log
        self._restarts = restarts
        self._hang_timeout_s = hang_timeout_s
        self._clock = AwakeClock()
        self._next_flush = time.monotonic()

    def tend(self) -> RunResult | None:
        """Looks at every node once; returns the run's result when a node has failed too often."""
        now, awake_s = time.monotonic(), self._clock.look()
        for node in self._nodes:
            result = None
            if node.is_retired:
                continue
            if node.has_failed:
                result = self._fail(node, now, node.process.failure(), killed=node.was_killed)
            elif not node.is_down and not node.is_done:
                result = self._listen(node, now, awake_s)
            if result is None and node.is_due(now):
                try:
                    self._restart(node)
                except OSError as error:
                    # No memory or no process to be had: the node has failed at its start.
                    result = self._fail(node, now, f"{node.process.name}: {error}")
            if result is not None:
                return result
        if now >= self._next_flush:
            self._next_flush = now + _FLUSH_S
            events.flush(self._log)
            self._restarts.flush()
        return None

    def restart(self, nodes: Sequence[Node]) -> None:
        """Starts again, at once, each of these nodes that has failed or waits for its restart."""
        for node in nodes:
            if node.is_down or node.has_failed:
                self._restart(node)

    def _listen(self, node: Node, now: float, awake_s: float) -> RunResult | None:
        missed_s = node.listen(awake_s, now)
        if missed_s is not None:
            self._restarts.add_seconds(node.role, missed_s)
            self._record(EventKind.BACK, node, seconds_lost=round(missed_s, 3))
        silent_s = node.hangs_for(awake_s, self._hang_timeout_s)
        if silent_s is None:
            return None
        node.process.leave_stacks()
        node.process.kill()
        reason = f"{node.process.name} made no progress for {silent_s:.0f} s, and was killed."
        return self._fail(node, now, node.process.with_log(reason), silent_s=silent_s)

    def _restart(self, node: Node) -> None:
        node.restart()
        self._restarts.add(node.role)
        self._record(EventKind.RESTARTED, node)

    def _fail(
        self, node: Node, now: float, error: str, *, killed: bool = False, silent_s: float = 0.0
    ) -> RunResult | None:
        name, reason = node.process.name, error.splitlines()[-1]
        is_fatal = node.process.exit_code == FATAL
        delay = None if is_fatal else node.plan_restart(now, killed=killed, silent_s=silent_s)
        self._record(EventKind.FAILED, node, reason=reason, restart_in_s=delay)
        if delay is None:
            return RunResult(Outcome.FAILED, name, error)
        say(f"quinoa: note: {name} is started again: {reason}", sys.stderr)
        return None

    def _record(self, event: EventKind, node: Node, **details: object) -> None:
        events.append(self._log, event, node.process.name, **details)
