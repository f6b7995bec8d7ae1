from __future__ import annotations

import io
import itertools
import re
import time
import types

import pytest

from quinoa.launch.run.counts import Counts
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.run.status import Status
from quinoa.launch.storage.files import write_json
from quinoa.launch.sweep import progress
from quinoa.launch.sweep.overview import RunRow
from tests.launch.terminals import Terminal, on_screen


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """A progress on a stream, and what shows a run at so many steps on it."""
    monkeypatch.setattr(progress, "_READ_S", 0.0)
    monkeypatch.setattr(progress, "_REPORT_S", 0.0)

    def make(stream):
        runs = [RunRow(name, "waiting", 100, 0, None, None) for name in ("one", "another")]
        shown_progress = progress.SweepProgress(runs, stream)

        def show(steps, **status):
            folder = RunFolder(tmp_path)
            of_run = Status(counts=Counts(steps), steps=100, wall_time=time.time(), **status)
            write_json(folder.status, of_run.to_json())
            shown_progress.update({"one": folder})

        return shown_progress, show

    return make


def test_lines_say_how_far_runs_are_and_how_they_end(shown, monkeypatch):
    # A clock of the test's own, as a busy machine takes a second for this.
    ticks = itertools.count()
    clock = types.SimpleNamespace(monotonic=lambda: next(ticks) / 1000)
    monkeypatch.setattr(progress, "time", clock)
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
    assert " 0%, time left unknown" in first
    assert "25%, return 1.5, 0:00 left" in second
    assert "100%, return 2.5" in third
    assert re.fullmatch(r"one      finished, 0:00; 1 of 2 runs, 0:00 gone, 0:00 left", ended)


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


def test_the_time_left_is_that_of_the_steps_of_all_runs(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    names = ("over", "broken_off", "waiting", "fails")
    runs = [
        RunRow(name, state, 100, done, None, None)
        for name, state, done in zip(
            names, ("finished", "stopped", "waiting", "waiting"), (100, 50, 0, 0), strict=True
        )
    ]
    stream = Terminal()
    of_runs = progress.SweepProgress(runs, stream)
    of_runs.begin("broken_off", 100)
    folder = RunFolder(tmp_path)
    for second, steps in ((1.0, 50), (10.0, 75)):
        clock[0] = second
        status = Status(counts=Counts(steps), steps=100, wall_time=time.time())
        write_json(folder.status, status.to_json())
        of_runs.update({"broken_off": folder})
    # 25 steps in 10 s, and 225 of 400 to do.
    assert on_screen(stream)[-1].endswith("44%  1 of 4 runs, 0:10 gone, 1:30 left")
    clock[0] = 20.0
    of_runs.end("broken_off", "finished", is_done=True)
    assert on_screen(stream)[-1].endswith("50%  2 of 4 runs, 0:20 gone, 1:20 left")
    # A run that fails has nothing left to do.
    of_runs.begin("fails", 100)
    of_runs.end("fails", "failed", is_done=True)
    of_runs.close()
    assert "75%  3 of 4 runs" in on_screen(stream)[-1]


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
