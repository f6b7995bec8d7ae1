from __future__ import annotations

import os
import pty
import sys
import termios

import pytest

from quinoa.launch.terminal.redrawn_lines import RedrawnLines, without_echo
from tests.launch.terminals import Terminal, on_screen


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def test_lines_are_drawn_in_place_of_those_before(terminal):
    lines = RedrawnLines(terminal)
    assert lines.can_redraw
    lines.draw("one\ntwo")
    lines.draw("three")
    lines.stop()
    assert on_screen(terminal) == ["three"]


@pytest.mark.parametrize("leave", [True, False])
def test_what_is_said_stays_above_them_and_as_it_is(terminal, leave):
    lines = RedrawnLines(terminal, leave=leave)
    lines.draw("below")
    lines.say("control:fish:swim [bold] failed")
    assert on_screen(terminal) == ["control:fish:swim [bold] failed", "below"]
    lines.stop()
    assert on_screen(terminal) == ["control:fish:swim [bold] failed", *["below"] * leave]


def test_what_is_printed_to_a_file_meanwhile_is_in_the_file(terminal, capsys):
    lines = RedrawnLines(terminal)
    lines.draw("below")
    print("a result")
    print("a note", file=sys.stderr)
    lines.stop()
    assert capsys.readouterr().out == "a result\n"
    assert on_screen(terminal) == ["a note", "below"]


def test_nothing_is_drawn_where_nothing_can_be_redrawn(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    lines = RedrawnLines(terminal)
    assert (lines.can_redraw, lines.height) == (False, 0)
    lines.draw("below")
    lines.say("a line")
    lines.stop()
    assert terminal.getvalue() == "a line\n"


def test_a_terminal_that_is_gone_is_no_error():
    class Gone(Terminal):
        def write(self, text: str) -> int:
            raise OSError("Input/output error")

    lines = RedrawnLines(Gone())
    lines.draw("below")
    lines.say("a line")
    lines.stop()


def test_what_is_said_above_lines_is_broken_alike(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    shown = Terminal()
    lines = RedrawnLines(shown)
    lines.draw("below")
    command = "quinoa train --resume=runs/control_cartpole_swingup-iq-20261126-010833-s0"
    lines.say(f"To go on with it: {command}")
    print(
        "a note about a folder whose name is /a/path/of/more/columns/than/there/are",
        file=sys.stderr,
    )
    print("not ended", end="", file=sys.stderr)
    lines.stop()
    assert capsys.readouterr().err == ""
    assert [line for line in on_screen(shown)] == [
        "To go on with it:",
        command,
        "a note about a folder whose name is",
        "/a/path/of/more/columns/than/there/are",
        "not ended",
        "below",
    ]


def test_echo_is_left_alone_where_the_terminal_is_not_ours():
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    with os.fdopen(theirs, "w") as stream, without_echo(stream):
        assert termios.tcgetattr(theirs) == before
    os.close(ours)
