"""A run's nodes from their start to the end of the run, whatever engine starts their processes."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from quinoa.launch.checkpoints import learner_checkpoints, replay_checkpoints
from quinoa.launch.engines.process import Process, Start, wait
from quinoa.launch.engines.restarts import Restarts
from quinoa.launch.engines.scaling import Scaling
from quinoa.launch.engines.signals import StopSignals
from quinoa.launch.engines.supervision import Node, Supervisor
from quinoa.launch.errors import RunError
from quinoa.launch.nodes.exit_codes import RUN_IS_OVER, TOLD_TO_STOP
from quinoa.launch.nodes.topology import KINDS, may_end, stop_order
from quinoa.launch.run import status as run_status
from quinoa.launch.run.budget import Unit
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.process_list import ProcessList
from quinoa.launch.run.result import Outcome, RunResult
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.run.status import Status

# Seconds between two looks at the processes, and between two at the status.
_POLL_S = 0.1
_STATUS_S = 0.5


class NodeStart(NamedTuple):
    """How one node of a run is started.

    Attributes:
        role: what the node does.
        start: starts a process of it; called again after each failure.
    """

    role: Role
    start: Start


def run(
    starts: Iterable[NodeStart],
    folder: RunFolder,
    on_status: Callable[[Status], None],
    stop: StopSignals,
    *,
    hang_timeout_s: float,
    problem: Callable[[Sequence[Node]], str | None] = lambda nodes: None,
    actor: Callable[[int], Start] | None = None,
) -> RunResult:
    """Starts the nodes of a run, keeps them running until its end, and stops them in order.

    Args:
        starts: one for each node of the run.
        folder: of the run.
        on_status: see `Engine.run`.
        stop: asks the run to end: in order when asked once, at once when asked twice.
        hang_timeout_s: seconds without a sign of life after which a process is started again.
        problem: looks at the nodes now and then; what it returns ends the run as its error.
        actor: returns what starts the actor of an index, for actors that are added to the run.

    Returns:
        How the run ended. None of its processes is left, however this function is left.

    Raises:
        OSError: a process cannot be started in the first place.
    """
    nodes: list[Node] = []
    starts = list(starts)
    roles = {role for role, _ in starts}
    try:
        for role, start in starts:
            nodes.append(
                Node(start, may_end=may_end(role, roles), progress=_progress_of(role, folder))
            )
        scaling = None if actor is None else Scaling(nodes, folder, actor)
        run = _Run(nodes, folder, on_status, stop, hang_timeout_s, problem, scaling)
        return run.until_the_end()
    finally:
        for node in nodes:
            node.process.kill()
        replay_checkpoints.remove_temporary(folder)


def _progress_of(role: Role, folder: RunFolder) -> Callable[[], object] | None:
    """What tells whether a node has got further than at its last failure; see `Node`."""
    if role != Role.LEARNER:
        return None
    return functools.partial(learner_checkpoints.all_of, folder.checkpoints)


class _Run:
    """A run whose nodes have been started."""

    def __init__(
        self,
        nodes: Sequence[Node],
        folder: RunFolder,
        on_status: Callable[[Status], None],
        stop: StopSignals,
        hang_timeout_s: float,
        problem: Callable[[Sequence[Node]], str | None],
        scaling: Scaling | None,
    ):
        self._nodes = nodes
        self._problem = problem
        self._scaling = scaling
        self._folder = folder
        self._on_status = on_status
        self._stop = stop
        self._counts = Counts()
        self._processes = ProcessList(folder)
        roles = list(dict.fromkeys(node.role for node in nodes))
        unit: Unit = "actor_steps" if Role.ACTOR in roles else "learner_steps"
        self._restarts = Restarts(folder, roles, lambda: self._counts, unit)
        self._supervisor = Supervisor(
            nodes, folder.events, self._restarts, hang_timeout_s=hang_timeout_s
        )

    def until_the_end(self) -> RunResult:
        """Waits for the end of the run, then stops in order what still runs."""
        result = self._wait()
        order = stop_order()
        if result.outcome is not Outcome.FAILED:
            # The others report to these, and write to them, while they stop.
            self._supervisor.restart([node for node in self._nodes if node.role in order[-1]])
        # One that is still down has nothing to stop, and its failure would have been mended.
        running = [node.process for node in self._nodes if not node.is_down]
        while_stopping = _stop_in_order(running, order, self._stop)
        self._processes.write([])
        self._show_status()
        # What failed first is the cause; what fails while the rest is stopped may follow from it.
        if result.outcome is not Outcome.FAILED:
            result = while_stopping or result
        return dataclasses.replace(
            result, restarts=self._restarts.by_role, seconds_lost=self._restarts.seconds_lost
        )

    def _wait(self) -> RunResult:
        next_status = time.monotonic()
        while True:
            result = self._supervisor.tend()
            if result is not None:
                return result
            if all(node.is_done for node in self._nodes if node.may_end and not node.is_retired):
                return RunResult(Outcome.FINISHED)
            if self._stop.count:
                return RunResult(Outcome.STOPPED)
            if time.monotonic() >= next_status:
                self._processes.write([node.listed for node in self._nodes])
                self._show_status()
                if self._scaling is not None:
                    self._scaling.follow()
                if (error := self._problem(self._nodes)) is not None:
                    return RunResult(Outcome.FAILED, error=error)
                next_status = time.monotonic() + _STATUS_S
            time.sleep(_POLL_S)

    def _show_status(self) -> None:
        try:
            status = run_status.read(self._folder.status)
        except RunError:  # The disk fails.
            return
        if status is not None:
            self._counts = status.counts
            self._on_status(dataclasses.replace(status, restarts=self._restarts.total))


def _stop_in_order(
    processes: Sequence[Process], order: Sequence[Sequence[Role]], stop: StopSignals
) -> RunResult | None:
    """Stops everything, group by group; returns a result if that went wrong."""
    problem = None

    def is_hurried() -> bool:
        return stop.count >= 2

    for roles in order:
        stopping = [process for process in processes if process.role in roles]
        for process in stopping:
            process.terminate()
        grace_s = max(KINDS[role].stop_grace_s for role in roles)
        wait(stopping, grace_s, is_hurried)
        for process in stopping:
            process.kill()
            if problem is None:
                problem = _problem(process, grace_s, is_hurried())
    return problem


def _problem(process: Process, grace_s: float, is_hurried: bool) -> RunResult | None:
    """What was wrong with how a process stopped."""
    if process.was_killed:
        # With any other nothing is lost but what replay has got since it was last saved: metrics
        # are written all the time.
        if process.role != Role.LEARNER:
            return None
        if is_hurried:
            return RunResult(Outcome.KILLED)
        error = f"{process.name} did not stop within {grace_s:.0f} s; its last steps are not saved."
        return RunResult(Outcome.FAILED, process.name, error)
    if process.exit_code not in (0, RUN_IS_OVER, TOLD_TO_STOP):
        return RunResult(Outcome.FAILED, process.name, process.failure())
    return None
