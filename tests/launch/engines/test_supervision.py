"""When nodes are started again, with processes that end as they are told to."""

import json
import time
from typing import Any

import pytest

from launch.engines.base import Outcome
from launch.engines.supervision import MAX_FAILURES, WITHIN_S, Node, Supervisor
from launch.nodes import FATAL


class Process:
    name = "actor-0"

    def __init__(self):
        self.exit_code = None
        self.killed = False

    def kill(self):
        self.killed = True

    def failure(self):
        return "Traceback\nValueError: of its own"


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

    monkeypatch.setattr(time, "monotonic", lambda: Clock.now)
    return Clock


@pytest.fixture
def make(tmp_path):
    def make_one(may_end=False):
        node = Node(Process, may_end=may_end)  # type: ignore[arg-type]
        return node, Supervisor([node], tmp_path / "events.jsonl")

    return make_one


def test_one_that_fails_is_started_again_at_once(make, clock, tmp_path, capsys):
    node, supervisor = make()
    assert supervisor.tend() is None
    first = node.process
    first.exit_code = 1
    assert supervisor.tend() is None
    assert first.killed
    assert node.process is not first
    assert "actor-0 is started again: ValueError: of its own" in capsys.readouterr().err
    failed, restarted = map(json.loads, (tmp_path / "events.jsonl").read_text().splitlines())
    assert (failed["event"], failed["reason"]) == ("failed", "ValueError: of its own")
    assert (restarted["event"], restarted["node"]) == ("restarted", "actor-0")


def test_the_second_time_it_waits(make, clock):
    node, supervisor = make()
    node.process.exit_code = 1
    supervisor.tend()
    second = node.process
    second.exit_code = -9
    supervisor.tend()
    assert node.is_down
    clock.now += 0.9
    supervisor.tend()
    assert node.process is second
    clock.now += 0.2
    supervisor.tend()
    assert node.process is not second
    assert not node.is_down


def test_one_that_fails_again_and_again_ends_the_run_with_its_error(make, clock):
    node, supervisor = make()
    for _ in range(MAX_FAILURES - 1):
        node.process.exit_code = 1
        assert supervisor.tend() is None
        clock.now += 5.0
        supervisor.tend()
    node.process.exit_code = 1
    result = supervisor.tend()
    assert result.outcome is Outcome.FAILED
    assert (result.failed_node, result.error) == ("actor-0", "Traceback\nValueError: of its own")


def test_one_that_does_not_get_on_is_given_up_however_long_that_takes(clock, tmp_path):
    steps = [0]
    node: Any = Node(Process, may_end=False, progress=lambda: steps[0])  # type: ignore[arg-type]
    supervisor = Supervisor([node], tmp_path / "events.jsonl")
    for _ in range(5):
        node.process.exit_code = 1
        assert supervisor.tend() is None
        clock.now += 2 * WITHIN_S
        steps[0] += 1
    for _ in range(MAX_FAILURES - 1):
        node.process.exit_code = 1
        assert supervisor.tend() is None
        clock.now += 2 * WITHIN_S
    node.process.exit_code = 1
    result = supervisor.tend()
    assert result is not None
    assert result.outcome is Outcome.FAILED


def test_a_start_that_fails_is_a_failure_too(clock, tmp_path):
    fails = [False]

    def start():
        if fails[0]:
            raise BlockingIOError("no process to be had")
        return Process()

    node: Any = Node(start, may_end=False)
    supervisor = Supervisor([node], tmp_path / "events.jsonl")
    fails[0] = True
    node.process.exit_code = 1
    assert supervisor.tend() is None
    assert node.is_down
    clock.now += 2.0
    result = supervisor.tend()
    assert result is not None
    assert result.error == "actor-0: no process to be had"


def test_at_the_end_those_that_others_need_are_started_at_once(make, clock):
    node, supervisor = make()
    for _ in range(2):
        node.process.exit_code = 1
        supervisor.tend()
    assert node.is_down
    supervisor.restart([node])
    assert not node.is_down
    assert node.process.exit_code is None


def test_a_full_disk_does_not_end_the_supervision(make, clock, tmp_path):
    node, supervisor = make()
    (tmp_path / "events.jsonl").mkdir()
    node.process.exit_code = 1
    assert supervisor.tend() is None
    assert node.process.exit_code is None


def test_one_that_fails_now_and_then_goes_on(make, clock):
    node, supervisor = make()
    for _ in range(5 * MAX_FAILURES):
        node.process.exit_code = 1
        assert supervisor.tend() is None
        assert not node.is_down
        clock.now += WITHIN_S


@pytest.mark.parametrize("may_end", [True, False])
def test_only_a_worker_may_end(make, clock, may_end):
    node, supervisor = make(may_end)
    before = node.process
    before.exit_code = 0
    assert supervisor.tend() is None
    assert node.is_done is may_end
    assert (node.process is before) is may_end


def test_a_fatal_failure_ends_the_run_at_once(make, clock):
    node, supervisor = make()
    node.process.exit_code = FATAL
    result = supervisor.tend()
    assert result.outcome is Outcome.FAILED
    assert (result.failed_node, result.error) == ("actor-0", "Traceback\nValueError: of its own")
    assert not node.is_down
