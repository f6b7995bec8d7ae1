"""Metrics as CSV files, one a role, and as TensorBoard event files."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from launch.files import write_text
from launch.run_folder import RunFolder

# What every row says first: when it was, and how far the run was.
TIME_COLUMNS = ("wall_time", "actor_steps", "learner_steps")


class MetricsLog:
    """Writes rows of metrics; a folder that already has files is written on.

    The columns of a file are those of its first row, and stay.
    """

    def __init__(self, folder: RunFolder, *, resumed_at: int = 0):
        """Opens no file yet.

        Args:
            folder: of the run.
            resumed_at: the actor steps that the run goes on from, if it does.
        """
        self._folder = folder
        self._resumed_at = resumed_at
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
            self._events = EventFile(self._folder.tensorboard, resumed_at=self._resumed_at)
        scalars = {
            f"{role}/{name}": value
            for name, value in row.items()
            if name not in TIME_COLUMNS and value is not None
        }
        self._events.write(scalars, step=int(row["actor_steps"]), wall_time=row["wall_time"])

    def flush(self) -> None:
        """Makes what was written visible to readers of the files."""
        for table in self._tables.values():
            table.file.flush()
        if self._events is not None:
            self._events.file.flush()

    def close(self) -> None:
        """Closes the files."""
        for table in self._tables.values():
            table.file.close()
        self._tables.clear()
        if self._events is not None:
            self._events.file.close()
            self._events = None


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
        self.file: IO[str] = path.open("a+", newline="", encoding="utf-8")
        self.file.seek(0)
        header = next(csv.reader(self.file), None)
        self.file.seek(0, os.SEEK_END)
        self._columns = header or list(columns)
        self._path = path
        self._writer = csv.writer(self.file)
        if header is None:
            self._writer.writerow(self._columns)

    def write(self, row: Mapping[str, Any]) -> None:
        if row.keys() != set(self._columns):
            raise ValueError(
                f"{self._path} has the columns {', '.join(self._columns)}, "
                f"but this row has {', '.join(row)}."
            )
        self._writer.writerow([row[column] for column in self._columns])


class EventFile:
    """A TensorBoard event file of scalars, written without importing TensorFlow."""

    def __init__(self, folder: Path, *, resumed_at: int = 0):
        """Starts a new file in the folder.

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
        self.file: IO[bytes] = (folder / name).open("wb")
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
