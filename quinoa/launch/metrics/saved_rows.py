"""Rows of metrics, read back from CSV files that may be written at the same time."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from quinoa.launch.errors import RunError
from quinoa.launch.storage import text_lines


def all_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a file, each by its columns; none where it is not there.

    Raises:
        RunError: the file cannot be read.
    """
    try:
        return _rows(text_lines.all_lines(path))
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror}).") from error


def last_rows(path: Path) -> list[dict[str, str]]:
    """The same of the file's last 64 KB alone."""
    try:
        return _rows(text_lines.last_lines(path))
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror}).") from error


def _rows(lines: list[str]) -> list[dict[str, str]]:
    header, *rest = lines or [""]
    names = next(csv.reader([header]), [])
    rows = [cells for cells in csv.reader(rest) if len(cells) == len(names)]
    return [dict(zip(names, cells, strict=True)) for cells in rows]


class NewRows:
    """The rows that a file gets, each once, also where it is replaced by one with more columns."""

    def __init__(self, path: Path):
        """Has read nothing yet; the file need not be there."""
        self._path = path
        self._offset = 0
        self._header: list[str] = []
        self._number = 0
        self._file: int | None = None

    def read(self) -> list[dict[str, float | None]]:
        """The rows that have become whole since the last call, by column; None is an empty cell.

        Raises:
            OSError: the file is there, and cannot be read.
            ValueError: a cell is no number.
        """
        try:
            with self._path.open("rb") as file:
                is_another = os.fstat(file.fileno()).st_ino != self._file
                seen = self._number if is_another else 0
                if is_another:
                    self._file, self._header = os.fstat(file.fileno()).st_ino, []
                    self._offset = self._number = 0
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        cells = list(csv.reader(whole.decode(errors="replace").splitlines()))
        if not self._header and cells:
            self._header = cells.pop(0)
        self._number += len(cells)
        rows = (dict(zip(self._header, row, strict=False)) for row in cells[seen:])
        return [{name: float(cell) if cell else None for name, cell in row.items()} for row in rows]
