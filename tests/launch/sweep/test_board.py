from __future__ import annotations

import io

import pytest

from quinoa.launch.files import write_json
from quinoa.launch.run_folder import RunFolder
from quinoa.launch.sweep import board
from tests.launch.terminals import Terminal, on_screen


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """A board on a stream, and what shows a run at so many steps on it."""
    monkeypatch.setattr(board, "_LOOK_S", 0.0)
    monkeypatch.setattr(board, "_REPORT_S", 0.0)

    def make(stream):
        shown_board = board.Board(["one", "another"], 0, stream)

        def show(steps, **status):
            folder = RunFolder(tmp_path)
            write_json(folder.status, {"actor_steps": steps, **status})
            shown_board.update({"one": folder})

        return shown_board, show

    return make


def test_lines_say_how_far_runs_are_and_how_they_end(shown):
    stream = io.StringIO()
    of_runs, show = shown(stream)
    of_runs.begin("one", 100)
    show(0)
    show(25, actor_return=1.5)
    show(250, actor_return=1.5, evaluation_return=2.5)
    of_runs.end("one", "finished", is_done=True)
    of_runs.close()
    started, first, second, third, ended = stream.getvalue().splitlines()
    assert started.split() == ["one", "started"]
    assert " 0%, return -, time left unknown" in first
    assert "25%, return 1.5, 0:00 left" in second
    assert "100%, return 2.5" in third
    assert ended.startswith("one      finished") and ended.endswith("1 of 2 runs")


def test_a_run_that_has_no_status_yet_is_passed_over(shown, tmp_path):
    stream = io.StringIO()
    of_runs, _ = shown(stream)
    of_runs.begin("one", 100)
    of_runs.update({"one": RunFolder(tmp_path / "nowhere")})
    assert stream.getvalue().count("\n") == 1


def test_a_terminal_has_a_bar_for_each_run_and_one_for_all(shown):
    stream = Terminal()
    of_runs, show = shown(stream)
    of_runs.begin("one", 100)
    starting, of_all = on_screen(stream)
    assert starting.split()[0] == "one" and "starting" in starting
    assert "0%  0 of 2 runs" in of_all
    show(50, evaluation_return=2.5)
    of_one, of_all = on_screen(stream)
    assert "50%" in of_one and "return 2.5" in of_one
    assert "25%  0 of 2 runs" in of_all
    of_runs.end("one", "finished, return 2.5", is_done=True)
    of_runs.begin("another", 100)
    of_runs.end("another", "stopped", is_done=False)
    of_runs.close()
    first, second, of_all = on_screen(stream)
    assert first.startswith("one      finished, return 2.5, 0:0")
    assert second.startswith("another  stopped, 0:0")
    assert "50%  1 of 2 runs" in of_all


def test_a_narrow_terminal_cuts_the_name(shown, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    stream = Terminal()
    of_runs, _ = shown(stream)
    name = "learning_rate=0.0003-tau=0.01-s0"
    of_runs.begin(name, 100)
    of_runs.begin("one", 100)
    show_line, *_ = on_screen(stream)
    assert "…" in show_line and "starting" in show_line
    assert len(on_screen(stream)) == 3


def test_what_a_low_terminal_has_no_room_for_is_counted(shown, monkeypatch):
    monkeypatch.setenv("LINES", "6")
    stream = Terminal()
    of_runs, _ = shown(stream)
    for index in range(10):
        of_runs.begin(f"run-{index}", 100)
    *runs, more, of_all = on_screen(stream)
    assert [line.split()[0] for line in runs] == ["run-0", "run-1", "run-2"]
    assert more == "and 7 more"
    assert "0 of 2 runs" in of_all
