from __future__ import annotations

import pytest

from quinoa.launch.errors import RunError
from quinoa.launch.metrics import saved_rows
from quinoa.launch.metrics.saved_rows import NewRows
from quinoa.launch.storage import text_lines
from quinoa.launch.storage.files import write_text


@pytest.fixture
def path(tmp_path):
    return tmp_path / "learner.csv"


def append(path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_each_row_is_read_once_when_it_is_whole(path):
    rows = NewRows(path)
    assert rows.read() == []
    append(path, "actor_steps,loss,kl\n1,0.5,\n2,0.2")
    assert rows.read() == [{"actor_steps": 1, "loss": 0.5, "kl": None}]
    assert rows.read() == []
    append(path, "5,0.125\n")
    assert rows.read() == [{"actor_steps": 2, "loss": 0.25, "kl": 0.125}]


def test_no_row_is_read_again_from_a_file_that_has_got_another_column(path):
    rows = NewRows(path)
    append(path, "actor_steps,loss\n1,0.5\n2,0.2")
    assert len(rows.read()) == 1
    write_text(path, "actor_steps,loss,kl\n1,0.5,\n2,0.25,\n")
    append(path, "3,0.125,4\n")
    assert rows.read() == [
        {"actor_steps": 2, "loss": 0.25, "kl": None},
        {"actor_steps": 3, "loss": 0.125, "kl": 4},
    ]
    assert rows.read() == []


def test_a_cell_that_is_no_number_is_an_error(path):
    append(path, "loss\nhigh\n")
    with pytest.raises(ValueError, match="high"):
        NewRows(path).read()


def test_all_rows_are_those_that_are_whole(path):
    assert saved_rows.all_rows(path) == []
    append(path, "a,b")
    assert saved_rows.all_rows(path) == []
    # A row of fewer cells is of a writer that was killed.
    append(path, "\n1,2\n3\n\0\0\n5,6\n7")
    assert saved_rows.all_rows(path) == [{"a": "1", "b": "2"}, {"a": "5", "b": "6"}]


def test_the_last_rows_of_a_long_file_are_whole_and_have_its_columns(path):
    append(path, "a,b\n" + "".join(f"{i},text\n" for i in range(20_000)))
    rows = saved_rows.last_rows(path)
    assert 100 < len(rows) < text_lines.TAIL_BYTES
    assert rows[-1] == {"a": "19999", "b": "text"}
    assert [int(row["a"]) for row in rows] == list(range(20_000 - len(rows), 20_000))
    assert len(saved_rows.all_rows(path)) == 20_000


@pytest.mark.parametrize("read", [saved_rows.all_rows, saved_rows.last_rows])
def test_a_file_that_cannot_be_read_is_one_error(tmp_path, read):
    with pytest.raises(RunError, match="cannot be read"):
        read(tmp_path)
