from __future__ import annotations

import dataclasses
import io
import sys
import termios
import time

import pytest

from quinoa.launch.experiment.saved import save
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.status import Rates, Status
from quinoa.launch.watch.progress import Progress, line
from quinoa.launch.watch.run_limits import RunLimits
from tests.launch.helpers import experiment, replay_config
from tests.launch.terminals import Terminal, on_screen, session

LIMITS = RunLimits(steps=1000, updates_per_step=0.5, min_replay_size=100, max_replay_size=2000)


def status(actor=0, learner=0, actors_return=None, evaluation=None, **more):
    names = {field.name for field in dataclasses.fields(Rates)}
    rates = {name: more.pop(name) for name in names & more.keys()}
    return Status(
        counts=Counts(actor_steps=actor, learner_steps=learner),
        steps=LIMITS.steps,
        rates=Rates(**rates),
        actor_return=actors_return,
        evaluation_return=evaluation,
        wall_time=1e9,
        **more,
    )


def running(**more):
    known = {
        "actor_steps_per_second": 10.0,
        "learner_steps_per_second": 5.0,
        "updates_per_step": 0.5,
        "replay_size": 200,
    }
    return status(**{"actor": 200, "learner": 100, "evaluation": 2.0, **known, **more})


def shown(*statuses) -> str:
    """What is on the terminal in the end, without colours."""
    terminal = Terminal()
    with Progress(LIMITS, terminal) as progress:
        for each in statuses:
            progress.show(each)
    return "\n".join(on_screen(terminal))


def test_says_in_a_line_what_there_is_to_know():
    assert line(LIMITS, running()) == (
        " 20% 200/1000 steps, return 2.0, actors 10 steps/s, learner 5 steps/s, replay 10% full, "
        "1:20 left"
    )
    assert line(LIMITS, running(restarts=2)).endswith(", 2 restarts, 1:20 left")


def test_prefers_the_evaluators_return_and_does_without_any():
    assert "return 9.0," in line(LIMITS, status(actors_return=1.0, evaluation=9.0))
    assert "return 1.0," in line(LIMITS, status(actors_return=1.0))
    assert "return -, actors 0 steps/s" in line(LIMITS, status())


def test_a_view_in_a_terminal():
    text = shown(running(), running(actor=1010, learner=500, evaluation=5.0))
    # More than was asked for is still all.
    assert "100%  1k of 1k steps" in text
    assert "return 5.0 (evaluation) ▁█" in text
    assert "actors 10/s  learner 5/s  updates/step 0.50 of 0.50  replay 200 of 2k" in text
    assert "left" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_view_says_what_is_waited_for():
    assert "starting" in shown(status())
    text = shown(status(actor=50, actor_steps_per_second=7.0))
    assert "acting 7 steps/s; learning begins at 100 steps" in text


def test_restarts_are_told_where_there_were_any():
    assert "restart" not in shown(running(restarts=0))
    assert "1 restart" in shown(running(restarts=1))


def test_what_is_said_meanwhile_stays_above_the_view(capsys):
    terminal = Terminal()
    with Progress(LIMITS, terminal) as progress:
        progress.show(running())
        print("quinoa: note: something", file=sys.stderr)
        progress.show(running())
    assert "quinoa: note: something" in terminal.getvalue()
    assert capsys.readouterr() == ("", "")


def test_a_terminal_that_is_gone_is_no_error():
    class Gone(Terminal):
        def write(self, text: str) -> int:
            raise OSError("Input/output error")

    with Progress(LIMITS, Gone()) as progress:
        progress.show(running())


UNDER_WAY = """
import time
from quinoa.launch.engines import signals
from quinoa.launch.watch.progress import Progress
from tests.launch.watch.test_progress import LIMITS, running
with signals.caught() as stop, Progress(LIMITS) as progress:
    with stop.telling(lambda asked: progress.say(f"asked {asked.times}, {asked.again}")):
        while stop.count < 2:
            progress.show(running())
            time.sleep(0.05)
print("the end")
"""


def typed_ctrl_c_twice() -> str:
    """What the terminal of `UNDER_WAY` shows; ends early where its first Ctrl-C does not arrive."""
    with session([sys.executable, "-c", UNDER_WAY]) as shown:
        text = shown.read_until("20%")
        assert not termios.tcgetattr(shown.terminal)[3] & termios.ECHO
        shown.type(b"a\n\x03")
        text += shown.read_until("asked 1, Ctrl-C", timeout_s=20.0)
        if "asked" in text:
            # No finger is faster, and signals at the same time are one request.
            time.sleep(0.1)
            shown.type(b"\x03")
            text += shown.read_until("the end")
            assert shown.process.wait(20) == 0
            assert termios.tcgetattr(shown.terminal)[3] & termios.ECHO
    return text


def test_ctrl_c_leaves_one_bar_and_a_terminal_as_it_was():
    # On a very busy machine a key that is typed into a pseudo-terminal was seen not to arrive: the
    # process then has nothing to answer to, and it is typed into another one.
    texts = (typed_ctrl_c_twice() for _ in range(3))
    text = next(text for text in texts if "asked" in text)
    assert "^C" not in text
    first, second, bar, *figures, last = on_screen(text)
    assert (first, second, last) == ("asked 1, Ctrl-C", "asked 2, Ctrl-C", "the end")
    assert "20%" in bar
    assert len(figures) == 2


@pytest.mark.parametrize("file", [io.StringIO(), Terminal()])
def test_a_line_now_and_then_where_nothing_can_be_redrawn(monkeypatch, file):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setenv("TERM", "dumb")
    with Progress(LIMITS, file) as progress:
        for second in range(61):
            clock[0] = second
            progress.show(status(10 * second, evaluation=2.0, actor_steps_per_second=10.0))
    lines = file.getvalue().splitlines()
    assert len(lines) == 6
    assert lines[1].startswith(" 20% 200/1000 steps, return 2.0, actors 10 steps/s")
    assert "\r" not in file.getvalue()


@pytest.mark.parametrize("ratio", [None, 0.0, 16.0])
def test_the_limits_are_those_of_the_experiment_whether_from_itself_or_from_its_file(
    tmp_path, ratio
):
    from quinoa.launch.run.run_folder import RunFolder
    from quinoa.launch.storage.files import read_json

    of = experiment(samples_per_insert=ratio)
    save(of, RunFolder(tmp_path))
    limits = RunLimits.of(of)
    assert RunLimits.from_json(read_json(RunFolder(tmp_path).experiment)["experiment"]) == limits
    config = replay_config(of)
    asked = config.samples_per_insert / config.batch_size if ratio != 0 else None
    assert (limits.steps, limits.updates_per_step) == (of.steps, asked)
    assert limits.min_replay_size == config.min_replay_size == 500
