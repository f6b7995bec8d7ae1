"""Terminals and pipes that cannot hold all that is said."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator

import pytest

from quinoa.launch import cli
from quinoa.launch.machine import streams
from quinoa.launch.terminal import output
from quinoa.launch.terminal.progress_bar import progress_row
from quinoa.launch.terminal.redrawn_lines import RedrawnLines
from tests.launch.helpers import MATCH
from tests.launch.runs import make_run
from tests.launch.written_runs import write_run

pytestmark = pytest.mark.usefixtures("same_environment_variables")


class AsciiTerminal(io.TextIOWrapper):
    """A terminal that holds ASCII alone; as Python's streams do, it raises for all else."""

    def __init__(self, is_terminal: bool = False):
        self._bytes = io.BytesIO()
        super().__init__(self._bytes, "ascii", "strict")
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def text(self) -> str:
        """What has been written."""
        self.flush()
        return self._bytes.getvalue().decode("ascii")


@contextlib.contextmanager
def only_ascii(is_terminal: bool = False) -> Iterator[tuple[AsciiTerminal, AsciiTerminal]]:
    """Standard output and standard error that are such."""
    out, err = AsciiTerminal(is_terminal), AsciiTerminal(is_terminal)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield out, err


def test_results_are_said_where_only_ascii_can_be_said(tmp_path):
    run = make_run(tmp_path / "run", MATCH, "iq").root
    with only_ascii() as (out, err):
        assert cli.main(["evaluate", str(run), "--episodes=2", "--seeds=1,2"]) == 0
        assert cli.main(["status", str(run)]) == 0
    assert "Return with seed 2: " in out.text()
    assert "Return: " in out.text() and " ? " in out.text()
    assert f"iq on {MATCH}" in out.text()
    assert err.text() == ""


def test_tables_are_drawn_where_only_ascii_can_be_said(tmp_path):
    write_run(tmp_path / "run")
    with only_ascii() as (out, err):
        flags = [f"--out={tmp_path / 'curves.png'}", "--table=-"]
        assert cli.main(["plot", str(tmp_path / "run"), *flags]) == 0
    assert "| " in out.text()
    assert err.text() == f"{tmp_path / 'curves.png'}\n"


def test_a_name_that_is_no_text_is_said_all_the_same(tmp_path):
    with only_ascii() as (_, err):
        assert cli.main(["evaluate", str(tmp_path / os.fsdecode(b"r\xffn"))]) == 2
    assert err.text().startswith("quinoa: There is no run at ")


def test_bars_are_drawn_in_what_the_terminal_holds():
    with only_ascii(is_terminal=True) as (_, err):
        streams.prepare()
        lines = RedrawnLines(sys.stderr)
        lines.draw(progress_row(1, 2, "▁▂▃ ±"))
        lines.say("1 ± 2")
        lines.stop()
    assert "1 ? 2" in err.text()
    assert " 50%" in err.text()


def test_a_notebooks_streams_are_left_as_they_are():
    with contextlib.redirect_stdout(io.StringIO()) as out:
        streams.prepare()
        output.say("±")
    assert out.getvalue() == "±\n"
