"""Tables of scores, written to files and printed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np

from quinoa.launch.analysis.measures import RETURN, Measure
from quinoa.launch.errors import RunError
from quinoa.launch.storage.files import write_text
from quinoa.launch.terminal.output import say, say_columns

if TYPE_CHECKING:
    import pandas as pd


def write_table(table: pd.DataFrame, path: Path, measure: Measure = RETURN) -> None:
    """Writes a table to a .csv file, with all digits, or to a .md file, rounded; see `rounded`.

    Raises:
        RunError: the file's ending is neither.
        OSError: the file cannot be written.
    """
    check_name(path)
    text = table.to_csv(index=False) if path.suffix == ".csv" else markdown(table, measure) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)


def check_name(path: Path) -> None:
    """Raises `RunError` where a file's ending is not that of a table."""
    if path.suffix not in (".csv", ".md"):
        raise RunError(f"{path} is neither .csv nor .md, which a table's file must be.")


def markdown(table: pd.DataFrame, measure: Measure = RETURN) -> str:
    """A table as Markdown, rounded; see `rounded`."""
    import pandas as pd

    # Without parsing, as to_markdown would format rounded numbers and labels like "1e3" anew.
    text: str = pd.DataFrame(rounded(table, measure)).to_markdown(
        index=False, disable_numparse=True
    )
    return text


def say_table(table: pd.DataFrame, stream: TextIO, measure: Measure = RETURN) -> None:
    """Prints a table, `rounded`: fitted to the width of a terminal, elsewhere as Markdown."""
    if stream.isatty():
        say_columns(rounded(table, measure), stream)
    else:
        say(markdown(table, measure), stream)


def rounded(table: pd.DataFrame, measure: Measure = RETURN) -> dict[str, list[str]]:
    """The cells of a table as rounded text; mean and std share a column, as do intervals.

    Args:
        table: any.
        measure: what its numbers are of, which says how many decimals they have.
    """
    digits = measure.decimals
    shown: dict[str, list[str]] = {}
    for column in table:
        if column == "mean" and "std" in table:
            pairs = zip(table["mean"], table["std"], strict=True)
            shown[f"{measure.text} (mean ± std)"] = [
                _with_deviation(*pair, digits) for pair in pairs
            ]
        elif f"{column} low" in table:
            ends = (table[column], table[f"{column} low"], table[f"{column} high"])
            rows = zip(*ends, strict=True)
            shown[f"{column}, % [95 % interval]"] = [_with_interval(*row) for row in rows]
        elif column != "std" and not column.endswith((" low", " high")):
            shown[column] = [_number(value, digits) for value in table[column]]
    return shown


def _number(value: object, digits: int) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.{digits}f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _with_deviation(mean: float, std: float, digits: int) -> str:
    if np.isnan(mean):
        return ""
    text = f"{mean:.{digits}f}"
    return text if np.isnan(std) else f"{text} ± {std:.{digits}f}"


def _with_interval(value: float, low: float, high: float) -> str:
    return f"{value:.1f}" if np.isnan(low) else f"{value:.1f} [{low:.1f}, {high:.1f}]"
