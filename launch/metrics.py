"""Metrics as CSV files, one a role, and as TensorBoard event files."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from launch.files import write_text
from launch.record_file import RecordFile
from launch.run_folder import RunFolder

# What every row says first: when it was, and how far the run was.
TIME_COLUMNS = ("wall_time", "actor_steps", "learner_steps")


class MetricsLog:
    """Writes rows of metrics; a folder that already has files is written on.

    The columns of a file are those of its first row, and stay. Rows are taken at once and written
    by `flush`; while the disk is full they wait, as `RecordFile` says.
    """

    def __init__(self, folder: RunFolder, *, resumed_at: int = 0, writer: str = ""):
        """Opens no file yet.

        Args:
            folder: of the run.
            resumed_at: the actor steps that the run goes on from, if it does.
            writer: names whoever writes while the counter does. TensorBoard reads one file at a
                time in a folder, so its files have one of their own, of this name.
        """
        self._folder = folder
        self._resumed_at = resumed_at
        self._tensorboard = folder.tensorboard / writer
        self._tables: dict[str, _Table] = {}
        self._events: EventFile | None = None

    def write(self, role: str, row: Mapping[str, Any]) -> None:
        """Writes one row.

        Args:
            role: names the file.
            row: `TIME_COLUMNS` and metrics; None is an empty cell.

        Raises:
            ValueError: the row has other columns than the file.
        """
        if role not in self._tables:
            self._tables[role] = _Table(self._folder.metrics(role), list(row))
        self._tables[role].write(row)
        if self._events is None:
            self._events = EventFile(self._tensorboard, resumed_at=self._resumed_at)
        scalars = {
            f"{role}/{name}": value
            for name, value in row.items()
            if name not in TIME_COLUMNS and value is not None
        }
        self._events.write(scalars, step=int(row["actor_steps"]), wall_time=row["wall_time"])

    @property
    def num_lost(self) -> int:
        """Records for which there was room neither on the disk nor in memory."""
        return sum(file.num_lost for file in self._files())

    def flush(self) -> bool:
        """Writes what was taken; returns whether all of it is in the files."""
        return all([file.flush() for file in self._files()])

    def close(self) -> None:
        """Writes what was taken; what the disk does not take now is lost."""
        self.flush()
        self._tables.clear()
        self._events = None

    def _files(self) -> Iterable[RecordFile]:
        yield from (table.file for table in self._tables.values())
        if self._events is not None:
            yield self._events.file


def truncate(path: Path, actor_steps: int) -> None:
    """Takes the rows of later steps out of a CSV file of metrics, in one go.

    Lines that were not written to their end go too, and the file where no row is left. One that is
    not there stays so.
    """
    if not path.is_file():
        return
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        # A machine that lost power can leave zeros at a file's end.
        lines = list(csv.reader(line.replace("\0", "") for line in file))
    header = lines[0] if lines else []
    kept = []
    if TIME_COLUMNS[1] in header:
        column = header.index(TIME_COLUMNS[1])
        kept = [
            row
            for row in lines[1:]
            if len(row) == len(header) and _at_most(row[column], actor_steps)
        ]
    if not kept:
        path.unlink()
        return
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *kept])
    write_text(path, text.getvalue())


def _at_most(text: str, limit: int) -> bool:
    try:
        return float(text) <= limit
    except ValueError:
        return False


class _Table:
    """One CSV file."""

    def __init__(self, path: Path, columns: Sequence[str]):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = RecordFile(path, lines=True)
        # Whoever wrote it before may have been killed within a line.
        self.file.mend()
        header = _header(path)
        self._columns = header or list(columns)
        if not header:
            self._write(self._columns)

    def write(self, row: Mapping[str, Any]) -> None:
        if row.keys() != set(self._columns):
            raise ValueError(
                f"{self.file.path} has the columns {', '.join(self._columns)}, "
                f"but this row has {', '.join(row)}."
            )
        self._write([row[column] for column in self._columns])

    def _write(self, cells: Sequence[Any]) -> None:
        line = io.StringIO(newline="")
        csv.writer(line).writerow(cells)
        self.file.write(line.getvalue().encode())


def _header(path: Path) -> list[str]:
    """The columns of a CSV file, none where it has none."""
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            return next(csv.reader(file), [])
    except FileNotFoundError:
        return []


class EventFile:
    """A TensorBoard event file of scalars, written without importing TensorFlow."""

    def __init__(self, folder: Path, *, resumed_at: int = 0):
        """Starts a new file in the folder; `file.flush` writes it.

        Args:
            folder: where to.
            resumed_at: TensorBoard drops what earlier files say of this step and later ones.
        """
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._Event, self._Summary = event_pb2.Event, summary_pb2.Summary
        folder.mkdir(parents=True, exist_ok=True)
        now = time.time()
        name = f"events.out.tfevents.{int(now)}.{os.getpid()}.{time.monotonic_ns()}"
        self.file = RecordFile(folder / name, lines=False)
        self._records = RecordWriter(self.file)
        header = self._Event(wall_time=now, file_version="brain.Event:2")
        self._records.write(header.SerializeToString())
        if resumed_at:
            session = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            start = self._Event(wall_time=now, step=resumed_at + 1, session_log=session)
            self._records.write(start.SerializeToString())

    def write(self, scalars: Mapping[str, float], *, step: int, wall_time: float) -> None:
        """Writes scalars by tag."""
        values = [
            self._Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()
        ]
        event = self._Event(wall_time=wall_time, step=step, summary=self._Summary(value=values))
        self._records.write(event.SerializeToString())
