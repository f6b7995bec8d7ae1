from __future__ import annotations

import pandas as pd
import pytest

from quinoa.launch.analysis import scores, tables
from quinoa.launch.errors import RunError


def test_tables_are_written_whole_as_csv_and_short_as_markdown(groups, tmp_path):
    table = scores.final_table(groups)
    tables.write_table(table, tmp_path / "new" / "table.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "new" / "table.csv"), table)
    tables.write_table(table, tmp_path / "table.md")
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert "return (mean ± std)" in lines[0]
    assert "21.0 ± 1.0" in lines[2]
    with pytest.raises(RunError, match=r"neither \.csv nor \.md"):
        tables.write_table(table, tmp_path / "table.xls")


def test_what_was_typed_stays_in_a_table_as_it_was_typed():
    assert "| 0.010 " in tables.markdown(pd.DataFrame({"tau": ["0.010"], "mean": [1.0]}))
