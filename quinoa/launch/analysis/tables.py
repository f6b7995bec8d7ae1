"""Tables of scores, written to files and printed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np

from quinoa.launch.errors import RunError
from quinoa.launch.storage.files import write_text
from quinoa.launch.terminal.output import say, say_columns

if TYPE_CHECKING:
    import pandas as pd


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Writes a table to a .csv file, with all digits, or to a .md file, rounded.

    Raises:
        RunError: the file's ending is neither.
        OSError: the file cannot be written.
    """
    if path.suffix not in (".csv", ".md"):
        raise RunError(f"{path} is neither .csv nor .md, which a table's file must be.")
    text = table.to_csv(index=False) if path.suffix == ".csv" else markdown(table) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)


def markdown(table: pd.DataFrame) -> str:
    """A table as Markdown, rounded."""
    import pandas as pd

    # Without parsing, as to_markdown would format rounded numbers and labels like "1e3" anew.
    text: str = pd.DataFrame(rounded(table)).to_markdown(index=False, disable_numparse=True)
    return text


def say_table(table: pd.DataFrame, stream: TextIO) -> None:
    """Prints a rounded table: fitted to the width of a terminal, elsewhere as Markdown."""
    if stream.isatty():
        say_columns(rounded(table), stream)
    else:
        say(markdown(table), stream)


def rounded(table: pd.DataFrame) -> dict[str, list[str]]:
    """The cells of a table as rounded text; mean and std share a column, as do intervals."""
    shown: dict[str, list[str]] = {}
    for column in table:
        if column == "mean" and "std" in table:
            pairs = zip(table["mean"], table["std"], strict=True)
            shown["return (mean ± std)"] = [_with_deviation(*pair) for pair in pairs]
        elif f"{column} low" in table:
            ends = (table[column], table[f"{column} low"], table[f"{column} high"])
            rows = zip(*ends, strict=True)
            shown[f"{column}, % [95 % interval]"] = [_with_interval(*row) for row in rows]
        elif column != "std" and not column.endswith((" low", " high")):
            shown[column] = [_number(value) for value in table[column]]
    return shown


def _number(value: object) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _with_deviation(mean: float, std: float) -> str:
    if np.isnan(mean):
        return ""
    return f"{mean:.1f}" if np.isnan(std) else f"{mean:.1f} ± {std:.1f}"


def _with_interval(value: float, low: float, high: float) -> str:
    return f"{value:.1f}" if np.isnan(low) else f"{value:.1f} [{low:.1f}, {high:.1f}]"
