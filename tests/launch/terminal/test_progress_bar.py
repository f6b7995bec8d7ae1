from __future__ import annotations

import io

from quinoa.launch.terminal import progress_bar
from quinoa.launch.terminal.progress_bar import ProgressBar
from tests.launch.terminals import Terminal, on_screen


def test_elsewhere_than_in_a_terminal_says_how_much_is_done_now_and_then(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(progress_bar, "LINE_S", 0.0)
    with ProgressBar(5, "episodes", stream) as counted:
        counted.advance()
        counted.advance(3)
    assert stream.getvalue() == "1/5 episodes\n4/5 episodes\n"


def test_what_is_soon_done_says_nothing():
    for stream in (io.StringIO(), Terminal()):
        with ProgressBar(5, "episodes", stream) as counted:
            counted.advance(5)
        assert stream.getvalue().strip() == ""


def test_a_terminal_has_a_bar_that_goes_away(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(progress_bar, "DELAY_S", 0.0)
    with ProgressBar(4, "steps", stream) as counted:
        counted.advance(2)
        (line,) = on_screen(stream)
        assert "50%  2 of 4 steps  0:00 gone, 0:00 left" in line
    assert on_screen(stream) == []
