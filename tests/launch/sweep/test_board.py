from __future__ import annotations

import io

import pytest

from launch.files import write_json
from launch.run_folder import RunFolder
from launch.sweep import board


class Terminal(io.StringIO):
    def isatty(self):
        return True


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
            shown_board.update({"one": folder}, {"one": 100})

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
    assert "25%, return 1.5, 00:00 left" in second
    assert "100%, return 2.5" in third
    assert ended.startswith("one      finished") and ended.endswith("1 of 2 runs")


def test_a_run_that_has_no_status_yet_is_passed_over(shown, tmp_path):
    stream = io.StringIO()
    of_runs, _ = shown(stream)
    of_runs.begin("one", 100)
    of_runs.update({"one": RunFolder(tmp_path / "nowhere")}, {"one": 100})
    assert stream.getvalue().count("\n") == 1


def test_a_terminal_has_a_bar_for_each_run_and_one_for_all(shown):
    stream = Terminal()
    of_runs, show = shown(stream)
    of_runs.begin("one", 100)
    show(50, evaluation_return=2.5)
    text = stream.getvalue()
    assert "0 of 2 runs" in text
    assert "50%" in text and "return 2.5" in text
    of_runs.end("one", "finished, return 2.5", is_done=True)
    of_runs.begin("another", 100)
    of_runs.end("another", "stopped", is_done=False)
    of_runs.close()
    assert "1 of 2 runs" in stream.getvalue()
    assert "finished, return 2.5" in stream.getvalue()
