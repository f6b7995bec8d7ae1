"""Runs what a sweep has planned, several at once, each in a process of its own."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from quinoa.launch.analysis.run_groups import read
from quinoa.launch.analysis.scores import final_score
from quinoa.launch.engines import signals
from quinoa.launch.engines.base import Outcome
from quinoa.launch.errors import RunError
from quinoa.launch.machine import interpreter
from quinoa.launch.storage.files import read_json
from quinoa.launch.sweep import overview
from quinoa.launch.sweep.board import Board
from quinoa.launch.sweep.folder import Planned, State, SweepFolder
from quinoa.launch.terminal.numbers import count

_POLL_S = 0.1
# Asked so often to end, a sweep kills its runs.
_KILL = 3
# Seconds that they have to save where the sweep cannot go on.
_GRACE_S = 60.0


@dataclasses.dataclass
class _Child:
    planned: Planned
    popen: subprocess.Popen[bytes]


def run_all(
    sweep: SweepFolder,
    plan: Sequence[Planned],
    *,
    at_once: int,
    environment: Mapping[str, str],
    folder: Path,
    retry_failed: bool = False,
    board: Board | None = None,
) -> bool:
    """Runs what is not finished, until all have ended or a signal asks to stop.

    A run that fails is noted, and the others go on. On SIGINT, SIGTERM or SIGHUP those that run are
    asked to end, which has them save; the second time to hurry; the third time they are killed.

    Args:
        sweep: where they are.
        plan: all runs of the sweep.
        at_once: how many run at the same time, at most.
        environment: all environment variables of the runs.
        folder: that they start in.
        retry_failed: also try those again that failed.
        board: shows how far they are; by default on standard error.

    Returns:
        Whether it was stopped before the last run had ended. None is left running.

    Raises:
        OSError: a process cannot be started, or a note cannot be written.
    """
    rows = list(overview.Reader(sweep).read().rows)
    states = {planned.name: sweep.state(planned) for planned in plan}
    done = {State.FINISHED} if retry_failed else {State.FINISHED, State.FAILED}
    waiting = collections.deque(run for run in plan if states[run.name] not in done)
    to_run = {run.name for run in waiting}
    # What is tried again is not over any more.
    rows = [
        dataclasses.replace(row, state=overview.WAITING, done=0)
        if row.name in to_run and row.state in overview.OVER
        else row
        for row in rows
    ]
    overview.begin(sweep, rows)
    board = board or Board(rows)
    running: list[_Child] = []
    with (
        signals.caught() as stop,
        stop.telling(lambda asked: board.say(_about_stop(asked, len(running)))),
    ):
        asked = 0
        try:
            while running or (waiting and not stop.count):
                if stop.count > asked:
                    asked = stop.count
                    for child in running:
                        _signal(child, signal.SIGKILL if asked >= _KILL else signal.SIGTERM)
                while waiting and len(running) < at_once and not stop.count:
                    planned = waiting.popleft()
                    running.append(_start(sweep, planned, environment, folder))
                    board.begin(planned.name, planned.steps)
                for child in [child for child in running if child.popen.poll() is not None]:
                    running.remove(child)
                    _end(sweep, child, board, was_asked=asked > 0)
                board.update({each.planned.name: sweep.run(each.planned) for each in running})
                time.sleep(_POLL_S)
        finally:
            # Where something is wrong with the sweep itself.
            for child in running:
                _signal(child, signal.SIGTERM)
            deadline = time.monotonic() + _GRACE_S
            for child in running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.popen.wait(max(deadline - time.monotonic(), 0))
                _signal(child, signal.SIGKILL)
                child.popen.wait()
            board.close()
        return asked > 0


def _about_stop(asked: signals.Asked, num_running: int) -> str:
    """What is said where the sweep is asked to end."""
    runs = count(num_running, "run")
    if asked.times >= _KILL:
        return f"Killing {runs}."
    if asked.times > 1:
        return (
            f"Ending {runs} at once: what was learned since their newest checkpoints is lost. "
            f"{asked.again} once more kills what still runs."
        )
    return (
        f"Stopping: waiting for {runs} to save and end; no other begins. {asked.again} once more "
        "ends them at once, without saving."
    )


def _start(
    sweep: SweepFolder, planned: Planned, environment: Mapping[str, str], start: Path
) -> _Child:
    folder, log = sweep.run(planned), sweep.log(planned)
    sweep.set_failure(planned, None)
    if not folder.experiment.is_file():
        # What is left of one that was ended before it had begun.
        folder.remove_if_unused()
    command = interpreter.command(
        "quinoa.launch.machine.termination",
        str(os.getpid()),
        "quinoa.launch.cli",
        "train",
        *sweep.arguments(planned),
    )
    log.parent.mkdir(exist_ok=True)
    with log.open("ab") as file:
        popen = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=start,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    return _Child(planned, popen)


def _signal(child: _Child, number: signal.Signals) -> None:
    """Sends a signal, unless it has ended. The processes of a run end with it, however it ends."""
    child.popen.send_signal(number)


def _end(sweep: SweepFolder, child: _Child, board: Board, *, was_asked: bool) -> None:
    """Notes and shows how a run ended."""
    planned, status = child.planned, child.popen.returncode
    outcome = _outcome(sweep, planned)
    if status == 0 and outcome == State.FINISHED.value:
        with contextlib.suppress(RunError):
            score, _ = final_score(read(sweep.run(planned)))
            board.end(planned.name, f"finished, return {score:.1f}", is_done=True)
            return
        board.end(planned.name, "finished", is_done=True)
    elif was_asked or (status == 0 and outcome == Outcome.STOPPED.value):
        board.end(planned.name, "stopped", is_done=False)
    else:
        error = _error(sweep.log(planned), status)
        sweep.set_failure(planned, error)
        board.end(planned.name, f"failed: {error}", is_done=True)


def _outcome(sweep: SweepFolder, planned: Planned) -> str | None:
    try:
        return str(read_json(sweep.run(planned).result)["outcome"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _error(log: Path, status: int) -> str:
    """Why a process failed, in one line."""
    if status < 0:
        reason = f"ended by {signal.Signals(-status).name}"
        if -status == signal.SIGKILL:
            reason += " (the kernel does that when memory runs out)"
        return reason
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        lines = []
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return last.removeprefix("quinoa: ") or f"ended with status {status}"
