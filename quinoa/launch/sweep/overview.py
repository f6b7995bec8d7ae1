"""How far a sweep is, read from its folder, for whoever runs it or watches it from outside."""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

from quinoa.launch.errors import RunError
from quinoa.launch.run import process_list
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json, write_json
from quinoa.launch.sweep.folder import Planned, State, SweepFolder
from quinoa.launch.watch import snapshot
from quinoa.launch.watch.progress import seconds_left

# What has become of a run, in a word; those that are over need not be run again.
WAITING, RUNNING, SILENT, DIED = "waiting", "running", "silent", "died"
FINISHED, FAILED = State.FINISHED.value, State.FAILED.value
OVER = (FINISHED, FAILED)


@dataclasses.dataclass(frozen=True)
class RunRow:
    """A run of a sweep.

    Attributes:
        name: of its folder.
        state: a word: `waiting`, `running`, `silent`, `died`, `finished`, `failed`, `stopped` or
            `killed`.
        steps: actor steps at its end.
        done: of those.
        value: its return: of its final evaluation, or else the latest known; None before.
        left_s: until its last step, at its rate of late; None where that is not known.
    """

    name: str
    state: str
    steps: int
    done: int
    value: float | None
    left_s: float | None


@dataclasses.dataclass(frozen=True)
class Overview:
    """A sweep at one moment.

    Attributes:
        folder: of the sweep.
        rows: its runs, as they are planned.
        is_alive: whether the process that goes through them is there; None where that is of
            another machine, or has not said.
        elapsed_s: since that was started; None where it is not known, or no more there.
        left_s: until the last step of the last run; None where that is not known.
    """

    folder: SweepFolder
    rows: tuple[RunRow, ...]
    is_alive: bool | None
    elapsed_s: float | None
    left_s: float | None

    @property
    def is_running(self) -> bool:
        """Whether somebody goes through the runs, as far as can be told."""
        if self.is_alive is None:
            return any(row.state == RUNNING for row in self.rows)
        return self.is_alive

    @property
    def is_complete(self) -> bool:
        """Whether no run is left to run."""
        return all(row.state in OVER for row in self.rows)

    @property
    def is_well(self) -> bool:
        """Whether no run has failed, has died, or gives no sign of life."""
        return not any(row.state in (FAILED, DIED, SILENT) for row in self.rows)


class Reader:
    """Reads how far a sweep is, again and again."""

    def __init__(self, folder: SweepFolder):
        """Reads what is planned.

        Raises:
            RunError: there is no sweep, or its description is damaged.
        """
        self._folder = folder
        self._plan = folder.load()
        # What has ended stays as it is, until it is tried again.
        self._ended: dict[str, RunRow] = {}

    def read(self) -> Overview:
        """Reads the files of all runs, which may be written at the same time.

        Raises:
            RunError: a file of the sweep itself is damaged.
        """
        folder = self._folder
        process = _process(folder)
        is_alive = process_list.is_alive(process)
        failed = folder.failed()
        rows = tuple(self._row(planned, planned.name in failed, is_alive) for planned in self._plan)
        elapsed_s = time.time() - float(process["began"]) if is_alive else None
        before = process.get("steps_before", 0)
        left_s = None
        if elapsed_s is not None:
            left_s = time_left(num_done(rows), before, sum(r.steps for r in rows), elapsed_s)
        return Overview(folder, rows, is_alive, elapsed_s, left_s)

    def _row(self, planned: Planned, has_failed: bool, is_alive: bool | None) -> RunRow:
        run = self._folder.run(planned)
        if has_failed:
            return _row(planned, FAILED, run, None)
        if not run.experiment.is_file():
            return RunRow(planned.name, WAITING, planned.steps, 0, None, None)
        if planned.name in self._ended and run.result.is_file():
            return self._ended[planned.name]
        try:
            view = snapshot.read(run)
        except RunError:
            # One run's damage is no reason to say nothing of the others.
            return _row(planned, self._folder.state(planned).value, run, None)
        if view.result is not None:
            row = _row(planned, str(view.result.get("outcome")), run, view.result)
            self._ended[planned.name] = row
            return row
        state = {
            snapshot.State.RUNNING: RUNNING,
            snapshot.State.SILENT: SILENT,
            snapshot.State.DEAD: DIED,
        }[view.state]
        if state == DIED and self._folder.state(planned) is State.FINISHED:
            # What has died in its final evaluation has nothing to go on with.
            state = FINISHED
        row = _row(planned, state, run, None)
        if state != RUNNING or view.status is None:
            return row
        return dataclasses.replace(row, left_s=seconds_left(view.goal, view.status))


def begin(folder: SweepFolder, rows: Sequence[RunRow]) -> None:
    """Notes that this process goes through a sweep's runs, and what is done of them.

    Raises:
        OSError: that cannot be written.
    """
    noted = {**process_list.this_process(), "began": time.time(), "steps_before": num_done(rows)}
    write_json(folder.process, noted)


def num_done(rows: Sequence[RunRow]) -> int:
    """Steps that need not be done any more: a run that has failed is over too."""
    return sum(row.steps if row.state in OVER else row.done for row in rows)


def time_left(done: int, before: int, total: int, elapsed_s: float) -> float | None:
    """Seconds until all steps are done, at the mean rate so far; None where there is none yet."""
    gained = done - before
    return (total - done) * elapsed_s / gained if gained > 0 else None


def _row(planned: Planned, state: str, run: RunFolder, result: Mapping[str, Any] | None) -> RunRow:
    status: Mapping[str, Any] = {}
    with contextlib.suppress(OSError, ValueError, TypeError):
        status = dict(read_json(run.status))
    returns = (result or {}).get("final_returns")
    value = statistics.fmean(returns) if returns else status.get("evaluation_return")
    if value is None:
        value = status.get("actor_return")
    done = min(int(status.get("actor_steps", 0)), planned.steps)
    return RunRow(planned.name, state, planned.steps, done, value, None)


def _process(folder: SweepFolder) -> Mapping[str, Any]:
    try:
        return dict(read_json(folder.process))
    except FileNotFoundError:  # Nobody goes through it, or somebody of a version before.
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{folder.process} is damaged ({error}): remove it.") from error
