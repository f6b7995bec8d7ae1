"""The state of a sweep and its runs at one moment, read from its folder."""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import time
from collections.abc import Sequence
from typing import Any

from quinoa.launch.errors import RunError
from quinoa.launch.run import process_list
from quinoa.launch.run import status as run_status
from quinoa.launch.run.budget import Unit
from quinoa.launch.run.process_list import ProcessIdentity
from quinoa.launch.run.result import RunResult
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json, write_json
from quinoa.launch.sweep.sweep_folder import PlannedRun, SweepFolder, SweepRunState
from quinoa.launch.watch import overview
from quinoa.launch.watch.overview import RunState
from quinoa.launch.watch.progress import seconds_left

# States of a run. Those in OVER need not be run again.
WAITING, RUNNING, SILENT, DIED = "waiting", "running", "silent", "died"
FINISHED, FAILED = SweepRunState.FINISHED.value, SweepRunState.FAILED.value
OVER = (FINISHED, FAILED)


@dataclasses.dataclass(frozen=True)
class RunRow:
    """The state of a run of a sweep.

    Attributes:
        name: the name of its folder.
        state: `waiting`, `running`, `silent`, `died`, `finished`, `failed`, `stopped` or `killed`.
        steps: at which it ends, in `unit`.
        done: its steps so far.
        value: the return of its final evaluation or, before that, the latest; None without one. Of
            a run without actors, the log-likelihood of the demonstrations that it learns from.
        left_s: the time until its last step in seconds, at its recent rate; None if unknown.
        unit: what its steps are.
    """

    name: str
    state: str
    steps: int
    done: int
    value: float | None
    left_s: float | None
    unit: Unit = "actor_steps"


@dataclasses.dataclass(frozen=True)
class Overview:
    """The state of a sweep at one moment.

    Attributes:
        folder: the sweep's folder.
        rows: its runs, in the order of the plan.
        is_alive: whether the sweep's process is alive; None if that is on another machine, or
            unknown.
        elapsed_s: seconds since that process was started; None if unknown or if it has ended.
        left_s: seconds until the last step of the last run; None if unknown.
    """

    folder: SweepFolder
    rows: tuple[RunRow, ...]
    is_alive: bool | None
    elapsed_s: float | None
    left_s: float | None

    @property
    def is_running(self) -> bool:
        """Whether a process runs the sweep, as far as is known."""
        if self.is_alive is None:
            return any(row.state == RUNNING for row in self.rows)
        return self.is_alive

    @property
    def is_complete(self) -> bool:
        """Whether all runs are over."""
        return all(row.state in OVER for row in self.rows)

    @property
    def is_well(self) -> bool:
        """Whether no run has failed, died or fallen silent."""
        return not any(row.state in (FAILED, DIED, SILENT) for row in self.rows)


class OverviewReader:
    """Reads the state of a sweep, repeatedly."""

    def __init__(self, folder: SweepFolder):
        """Reads the sweep's plan.

        Raises:
            RunError: there is no sweep, or its plan is damaged.
        """
        self._folder = folder
        self._plan = folder.load()
        # The rows of runs that have ended, which are read again only if the run is tried again.
        self._ended: dict[str, RunRow] = {}

    def read(self) -> Overview:
        """Reads the files of all runs, which may be running.

        Raises:
            RunError: a file of the sweep itself is damaged.
        """
        folder = self._folder
        process = _process(folder)
        is_alive = None if process is None else process.identity.is_alive()
        failed = folder.failed()
        rows = tuple(self._row(planned, planned.name in failed, is_alive) for planned in self._plan)
        elapsed_s = left_s = None
        if process is not None and is_alive:
            elapsed_s = time.time() - process.began
            steps = sum(row.steps for row in rows)
            left_s = time_left(num_done(rows), process.steps_before, steps, elapsed_s)
        return Overview(folder, rows, is_alive, elapsed_s, left_s)

    def _row(self, planned: PlannedRun, has_failed: bool, is_alive: bool | None) -> RunRow:
        run = self._folder.run(planned)
        if has_failed:
            return _row(planned, FAILED, run, None)
        if not run.experiment.is_file():
            return RunRow(planned.name, WAITING, planned.steps, 0, None, None, planned.unit)
        if planned.name in self._ended and run.result.is_file():
            return self._ended[planned.name]
        try:
            view = overview.read(run)
        except RunError:
            # A damaged run must not hide the others.
            return _row(planned, self._folder.state(planned).value, run, None)
        if view.result is not None:
            row = _row(planned, view.result.outcome.value, run, view.result)
            self._ended[planned.name] = row
            return row
        state = {
            RunState.RUNNING: RUNNING,
            RunState.SILENT: SILENT,
            RunState.DEAD: DIED,
        }[view.state]
        if state == DIED and self._folder.state(planned) is SweepRunState.FINISHED:
            # A run that died during its final evaluation has nothing left to resume.
            state = FINISHED
        row = _row(planned, state, run, None)
        if state != RUNNING or view.status is None:
            return row
        return dataclasses.replace(row, left_s=seconds_left(view.limits, view.status))


def record_start(folder: SweepFolder, rows: Sequence[RunRow]) -> None:
    """Records that this process runs a sweep, and how many steps were done before.

    Raises:
        OSError: the file cannot be written.
    """
    process = _SweepProcess(process_list.this_process(), time.time(), num_done(rows))
    write_json(folder.process, process.to_json())


def num_done(rows: Sequence[RunRow]) -> int:
    """The steps that need not be done any more; those of a failed run count as done."""
    return sum(row.steps if row.state in OVER else row.done for row in rows)


def time_left(done: int, before: int, total: int, elapsed_s: float) -> float | None:
    """Seconds until all steps are done, at the mean rate so far; None without a rate yet."""
    gained = done - before
    return (total - done) * elapsed_s / gained if gained > 0 else None


def _row(planned: PlannedRun, state: str, run: RunFolder, result: RunResult | None) -> RunRow:
    status = None
    with contextlib.suppress(RunError):
        status = run_status.read(run.status)
    value = None if status is None else status.latest_value
    if result is not None and result.final_returns:
        value = statistics.fmean(result.final_returns)
    done = 0 if status is None else min(status.done, planned.steps)
    return RunRow(planned.name, state, planned.steps, done, value, None, planned.unit)


@dataclasses.dataclass(frozen=True)
class _SweepProcess:
    """The process that runs a sweep, as the sweep's folder has it.

    Attributes:
        identity: of the process.
        began: when it began, in seconds since 1970.
        steps_before: steps of the runs that had been done by then.
    """

    identity: ProcessIdentity
    began: float
    steps_before: int

    def to_json(self) -> dict[str, Any]:
        fields = {"began": self.began, "steps_before": self.steps_before}
        return {**self.identity.to_json(), **fields}


def _process(folder: SweepFolder) -> _SweepProcess | None:
    try:
        fields = read_json(folder.process)
        return _SweepProcess(
            ProcessIdentity.from_json(fields),
            float(fields["began"]),
            int(fields.get("steps_before", 0)),
        )
    except FileNotFoundError:  # No process runs it, or one of an earlier version does.
        return None
    except (OSError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise RunError(f"{folder.process} is damaged ({error}): remove it.") from error
