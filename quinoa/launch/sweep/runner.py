"""Runs the planned runs of a sweep, several at a time, each in a process of its own."""

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

from quinoa.launch.analysis import measures
from quinoa.launch.analysis.run_groups import read
from quinoa.launch.analysis.scores import final_score
from quinoa.launch.engines import signals
from quinoa.launch.errors import RunError
from quinoa.launch.machine import interpreter
from quinoa.launch.run import result as run_result
from quinoa.launch.run.result import Outcome
from quinoa.launch.sweep import overview
from quinoa.launch.sweep.progress import SweepProgress
from quinoa.launch.sweep.sweep_folder import PlannedRun, SweepFolder, SweepRunState
from quinoa.launch.terminal.numbers import count

_POLL_S = 0.1
# The number of the signal on which a sweep kills its runs.
_KILL = 3
# Seconds that runs have to save and end after an error of the sweep itself.
_GRACE_S = 60.0


@dataclasses.dataclass
class _Child:
    planned: PlannedRun
    popen: subprocess.Popen[bytes]


def run_all(
    sweep: SweepFolder,
    plan: Sequence[PlannedRun],
    *,
    at_once: int,
    environment: Mapping[str, str],
    folder: Path,
    retry_failed: bool = False,
    progress: SweepProgress | None = None,
) -> bool:
    """Runs all runs that have not finished, until they have ended or a signal asks to stop.

    If a run fails, that is recorded and the others continue. A first SIGINT, SIGTERM or SIGHUP asks
    the running ones to save and end, a second one to end at once, and a third one kills them.

    Args:
        sweep: the sweep's folder.
        plan: all runs of the sweep.
        at_once: how many run at the same time, at most.
        environment: all environment variables of the runs.
        folder: the folder that the runs start in.
        retry_failed: whether to run again the runs that failed.
        progress: shows the runs' progress; by default on standard error.

    Returns:
        Whether the sweep was stopped before the last run had ended. No run is left running.

    Raises:
        OSError: a process cannot be started, or a file of the sweep cannot be written.
    """
    rows = list(overview.OverviewReader(sweep).read().rows)
    states = {planned.name: sweep.state(planned) for planned in plan}
    done = (
        {SweepRunState.FINISHED} if retry_failed else {SweepRunState.FINISHED, SweepRunState.FAILED}
    )
    waiting = collections.deque(run for run in plan if states[run.name] not in done)
    to_run = {run.name for run in waiting}
    # Runs that are tried again count as waiting.
    rows = [
        dataclasses.replace(row, state=overview.WAITING, done=0)
        if row.name in to_run and row.state in overview.OVER
        else row
        for row in rows
    ]
    overview.record_start(sweep, rows)
    progress = progress or SweepProgress(rows)
    running: list[_Child] = []
    with (
        signals.caught() as stop,
        stop.telling(lambda asked: progress.say(_about_stop(asked, len(running)))),
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
                    progress.begin(planned.name, planned.steps)
                for child in [child for child in running if child.popen.poll() is not None]:
                    running.remove(child)
                    _end(sweep, child, progress, was_asked=asked > 0)
                progress.update({each.planned.name: sweep.run(each.planned) for each in running})
                time.sleep(_POLL_S)
        finally:
            # Runs are left only after an error of the sweep itself.
            for child in running:
                _signal(child, signal.SIGTERM)
            deadline = time.monotonic() + _GRACE_S
            for child in running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.popen.wait(max(deadline - time.monotonic(), 0))
                _signal(child, signal.SIGKILL)
                child.popen.wait()
            progress.close()
        return asked > 0


def _about_stop(asked: signals.Asked, num_running: int) -> str:
    """The message when a signal asks the sweep to stop."""
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
    sweep: SweepFolder, planned: PlannedRun, environment: Mapping[str, str], start: Path
) -> _Child:
    folder, log = sweep.run(planned), sweep.log(planned)
    sweep.set_failure(planned, None)
    if not folder.experiment.is_file():
        # Left by a process that ended before the run had started.
        folder.remove_if_not_begun()
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
    """Signals a run's process, unless it has ended; the run's other processes end with it."""
    child.popen.send_signal(number)


def _end(sweep: SweepFolder, child: _Child, progress: SweepProgress, *, was_asked: bool) -> None:
    """Records and shows how a run ended."""
    planned, status = child.planned, child.popen.returncode
    outcome = run_result.outcome_of(sweep.run(planned))
    if status == 0 and outcome is Outcome.FINISHED:
        with contextlib.suppress(RunError):
            run = read(sweep.run(planned))
            measure = measures.of([run])
            score, _ = final_score(run, measure=measure)
            text = f"finished, {measure.text} {score:.{measure.decimals}f}"
            progress.end(planned.name, text, is_done=True)
            return
        progress.end(planned.name, "finished", is_done=True)
    elif was_asked or (status == 0 and outcome is Outcome.STOPPED):
        progress.end(planned.name, "stopped", is_done=False)
    else:
        error = _error(sweep.log(planned), status)
        sweep.set_failure(planned, error)
        progress.end(planned.name, f"failed: {error}", is_done=True)


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
