from __future__ import annotations

import io
import time

from launch.progress import Progress, describe


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def status(seconds, actor=0, learner=0, actors_return=None, evaluation=None):
    return {
        "wall_time": 1e9 + seconds,
        "actor_steps": actor,
        "learner_steps": learner,
        "actor_return": actors_return,
        "evaluation_return": evaluation,
    }


def test_tells_rates_between_two_statuses():
    text = describe(status(0, 100, 10), status(2, 300, 110, actors_return=1.25))
    assert text == "return 1.2, actors 100 steps/s, learner 50 steps/s"


def test_prefers_the_evaluators_return_and_does_without_any():
    now = status(1, actors_return=1.0, evaluation=9.0)
    assert "return 9.0" in describe(status(0), now)
    assert "return -, actors 0 steps/s" in describe(status(0), status(0))


def test_a_bar_in_a_terminal():
    terminal = Terminal()
    with Progress(1000, terminal) as shown:
        for second in range(4):
            shown.show(status(second, 250 * second, 100 * second, evaluation=5.0))
        # More than was asked for is still all.
        shown.show(status(4, 1010, 400, evaluation=5.0))
    text = terminal.getvalue()
    assert "100%" in text
    assert "1000/1000" in text
    assert "return 5.0, actors 25" in text
    assert "\r" in text


def test_rates_are_those_of_the_last_seconds():
    terminal = Terminal()
    with Progress(10**6, terminal) as shown:
        for second in range(60):
            # Ten times as fast from the 30th on.
            steps = 10 * second if second < 30 else 300 + 100 * (second - 30)
            shown.show(status(second, steps))
    assert "actors 100 steps/s" in terminal.getvalue()[-200:]


def test_a_line_now_and_then_where_there_is_no_terminal(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    file = io.StringIO()
    with Progress(1000, file) as shown:
        for second in range(61):
            clock[0] = second
            shown.show(status(second, 10 * second, evaluation=2.0))
    lines = file.getvalue().splitlines()
    assert len(lines) == 6
    assert lines[1].startswith(" 20% 200/1000 steps, return 2.0, actors 10 steps/s")
    assert "\r" not in file.getvalue()


def test_restarts_are_told_where_there_were_any():
    before = status(0)
    for number, text in ((0, "steps/s"), (1, ", 1 restart"), (3, ", 3 restarts")):
        assert describe(before, {**status(1), "restarts": number}).endswith(text)
