"""Metrics as CSV files, one a role, and one of the episodes of evaluations; and for TensorBoard."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from quinoa.launch.metrics import tensorboard_names
from quinoa.launch.metrics.event_file import EventFile
from quinoa.launch.run.budget import Unit
from quinoa.launch.run.columns import EACH_EPISODE, TIME_COLUMNS, WALL_TIME
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import write_text
from quinoa.launch.storage.record_file import RecordFile


class MetricsLog:
    """Writes rows of metrics; a folder that already has files is written on.

    The columns of a writer's rows are those of its first, and stay. Where a file is written on that
    has others, of an older version say, it has both from then on, with empty cells where there is
    no number. Rows are taken at once and written by `flush`; while the disk is full they wait, as
    `RecordFile` says.
    """

    def __init__(
        self,
        folder: RunFolder,
        *,
        resumed_at: int = 0,
        writer: str = "",
        unit: Unit = "actor_steps",
    ):
        """Opens no file yet.

        Args:
            folder: of the run.
            resumed_at: the steps from which a run is resumed; 0 for a new run.
            writer: names the writer, as another process may write while the counter does. Its
                files for TensorBoard, which reads one file at a time in a folder, are in a folder
                of this name.
            unit: of the run's steps, which TensorBoard has at its horizontal axis.
        """
        self._folder = folder
        self._resumed_at = resumed_at
        self._unit = unit
        self._tensorboard = folder.tensorboard / writer
        self._tables: dict[Path, _Table] = {}
        self._events: EventFile | None = None
        self._has_layout = False

    def write(self, role: str, row: Mapping[str, Any]) -> None:
        """Writes one row.

        Args:
            role: names the file.
            row: `TIME_COLUMNS` and metrics; None is an empty cell. What it has under
                `EACH_EPISODE` are rows that go to `RunFolder.evaluations`, with the same
                `TIME_COLUMNS`.

        Raises:
            OSError: an earlier writer's file cannot be read, repaired or given further columns, or
                a folder cannot be made. Nothing of the row is written then.
            ValueError: the row has other columns than this writer's first one of the role.
        """
        # Before anything is written, as it may have to make a folder.
        self._event_file()
        row = dict(row)
        times = {name: row[name] for name in TIME_COLUMNS}
        for episode in row.pop(EACH_EPISODE, ()):
            self._write_cells(self._folder.evaluations, {**times, **episode})
        self._write_cells(self._folder.metrics(role), row)
        if role == Role.LEARNER and not self._has_layout:
            self._has_layout = True
            layout = tensorboard_names.layout(
                column for column in row if column not in TIME_COLUMNS
            )
            self._event_file().write_layout(
                layout, step=int(row[self._unit]), wall_time=row[WALL_TIME]
            )
        tagged = {
            tag: value
            for name, value in row.items()
            if name not in TIME_COLUMNS
            and value is not None
            and (tag := tensorboard_names.tag(role, name)) is not None
        }
        self.write_scalars(tagged, step=int(row[self._unit]), wall_time=row[WALL_TIME])

    def write_scalars(self, tagged: Mapping[str, float], *, step: int, wall_time: float) -> None:
        """Writes scalars by tag for TensorBoard alone."""
        self._event_file().write(tagged, step=step, wall_time=wall_time)

    def _write_cells(self, path: Path, row: Mapping[str, Any]) -> None:
        if path not in self._tables:
            self._tables[path] = _Table(path, list(row))
        self._tables[path].write(row)

    def _event_file(self) -> EventFile:
        if self._events is None:
            self._events = EventFile(self._tensorboard, resumed_at=self._resumed_at)
        return self._events

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


def truncate(path: Path, steps: int, unit: Unit = "actor_steps") -> None:
    """Takes the rows of later steps out of a CSV file of metrics, in one go.

    Lines that were not written to their end go too, and the file where no row is left. One that is
    not there stays so.

    Args:
        path: of the file.
        steps: the last whose rows stay.
        unit: of what.
    """
    if not path.is_file():
        return
    header, rows = _read(path)
    kept = []
    if unit in header:
        column = header.index(unit)
        kept = [row for row in rows if _at_most(row[column], steps)]
    if not kept:
        path.unlink()
        return
    _rewrite(path, header, kept)


def _at_most(text: str, limit: int) -> bool:
    try:
        return float(text) <= limit
    except ValueError:
        return False


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    """The columns of a CSV file, none where it has none, and the rows that have all of them."""
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        # A machine that lost power can leave zeros at a file's end.
        lines = list(csv.reader(line.replace("\0", "") for line in file))
    header = lines[0] if lines else []
    return header, [row for row in lines[1:] if len(row) == len(header)]


def _rewrite(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    write_text(path, text.getvalue())


class _Table:
    """One CSV file, which has at least the columns that are written to it."""

    def __init__(self, path: Path, columns: Sequence[str]):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._given = set(columns)
        self.file = RecordFile(path, lines=True)
        # An earlier writer may have been killed within a line.
        self.file.repair()
        header = _header(path)
        self._columns = list(dict.fromkeys([*header, *columns]))
        if not header:
            self._write(self._columns)
        elif len(header) < len(self._columns):
            _, rows = _read(path)
            empty = [""] * (len(self._columns) - len(header))
            _rewrite(path, self._columns, [[*row, *empty] for row in rows])

    def write(self, row: Mapping[str, Any]) -> None:
        if row.keys() != self._given:
            given = [column for column in self._columns if column in self._given]
            raise ValueError(
                f"{self.file.path} has the columns {', '.join(given)}, "
                f"but this row has {', '.join(row)}."
            )
        self._write([row.get(column) for column in self._columns])

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
