from __future__ import annotations

import os
import pty
import termios

import pytest

from quinoa.launch.terminal import output
from quinoa.launch.terminal.output import columns, command, say, wrapped
from quinoa.launch.terminal.redrawn_lines import LiveLines
from tests.launch.terminals import Terminal, on_screen

RESUME = "quinoa train --resume=runs/control_cartpole_swingup-iq-20261126-010833-s0"


def test_lines_break_between_words_and_go_on_below_the_text():
    assert wrapped("one two three\nfour", 8) == "one two\nthree\nfour"
    assert wrapped("    indented text", 13) == "    indented\n    text"
    assert wrapped("ok      it is a module", 16) == "ok      it is a\n        module"
    assert wrapped("", 8) == ""
    # 動 is two columns wide.
    assert wrapped("動動 動動 動", 9) == "動動 動動\n動"


@pytest.mark.parametrize(
    "whole",
    [
        "/a/path/of/more/columns/than/there/are",
        RESUME,
        "quinoa status somewhere",
        "quinoa sweep '--resume=runs/my sweep' --retry_failed",
        "pip install 'wandb<0.28' 'protobuf<5'",
    ],
)
def test_what_is_copied_stays_whole(whole):
    lines = wrapped(f"To go on with what there is: {whole} and then something more.", 30).split(
        "\n"
    )
    assert lines[0] == "To go on with what there is:"
    assert lines[1].startswith(whole)


def test_a_command_can_be_copied_into_a_shell():
    assert command("train", "--resume=runs/a b") == "quinoa train '--resume=runs/a b'"
    assert command("status", "runs/a") == "quinoa status runs/a"


def test_only_a_terminal_has_lines_broken(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    text = "words that are more than twenty columns"
    say(text)
    assert capsys.readouterr().out == f"{text}\n"
    shown = Terminal()
    say(text, shown)
    assert on_screen(shown) == ["words that are more", "than twenty columns"]


def test_what_is_said_above_lines_is_broken_alike(monkeypatch, capsys):
    import sys

    monkeypatch.setenv("COLUMNS", "40")
    shown = Terminal()
    lines = LiveLines(shown)
    lines.draw("below")
    lines.say(f"To go on with it: {RESUME}")
    print(
        "a note about a folder whose name is /a/path/of/more/columns/than/there/are",
        file=sys.stderr,
    )
    print("not ended", end="", file=sys.stderr)
    lines.stop()
    assert capsys.readouterr().err == ""
    assert [line for line in on_screen(shown)] == [
        "To go on with it:",
        RESUME,
        "a note about a folder whose name is",
        "/a/path/of/more/columns/than/there/are",
        "not ended",
        "below",
    ]


def test_columns_are_those_of_the_terminal(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert columns(Terminal()) == 80
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        _resize(ours)
        assert columns(stream) == 57
    os.close(ours)


def _resize(descriptor: int) -> None:
    import fcntl
    import struct

    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 57, 0, 0))


def test_echo_is_left_alone_where_the_terminal_is_not_ours():
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    with os.fdopen(theirs, "w") as stream, output.without_echo(stream):
        assert termios.tcgetattr(theirs) == before
    os.close(ours)


def test_a_table_is_no_wider_than_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    shown = Terminal()
    columns = {
        "agent": ["iq", "m_iq"],
        "env": ["gym:Pendulum-v1"] * 2,
        "hidden_sizes": ["64,64", "256,256 and some words more"],
        "return (mean ± std)": ["-1189.8 ± 164.6", "-1305.2 ± 17.6"],
        "steps": ["4,000", "12,000"],
    }
    output.say_columns(columns, shown)
    same, heading, rule, first, *second = on_screen(shown)
    # What all rows have in common needs no column.
    assert same == "env: gym:Pendulum-v1"
    assert heading.split()[:2] == ["agent", "hidden_sizes"]
    assert set(rule.strip()) == {"─"}
    assert first.split() == ["iq", "64,64", "-1189.8", "±", "164.6", "4,000"]
    # Words stay whole.
    assert second[0].startswith("m_iq    256,256 and some ") and second[1].strip() == "words more"
    assert max(map(len, (heading, rule, first, *second))) <= 60
    monkeypatch.setenv("COLUMNS", "100")
    wide = Terminal()
    output.say_columns(columns, wide)
    assert "env" in on_screen(wide)[0]
