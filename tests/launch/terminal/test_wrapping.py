from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios

import pytest

from quinoa.launch.terminal.wrapping import terminal_width, wrapped
from tests.launch.terminals import Terminal

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


def test_columns_are_those_of_the_terminal(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert terminal_width(Terminal()) == 80
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        _resize(ours)
        assert terminal_width(stream) == 57
    os.close(ours)


def _resize(descriptor: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 57, 0, 0))
