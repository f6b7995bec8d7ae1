"""When nodes are started again: with plain objects in place of processes."""

from __future__ import annotations

import csv
import json
import signal
import time
from typing import Any

import pytest

from quinoa.launch.engines.awake_clock import MAX_GAP_S
from quinoa.launch.engines.restarts import Restarts
from quinoa.launch.engines.supervision import (
    MAX_FAILURES,
    MAX_KILLED,
    START_TIMEOUT_S,
    WITHIN_S,
    Node,
    Supervisor,
)
from quinoa.launch.nodes.exit_codes import FATAL, RUN_IS_OVER, TOLD_TO_STOP
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.process_list import ListedNode, NodeState
from quinoa.launch.run.result import Outcome
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.engines.fakes import FakeProcess

HANG_TIMEOUT_S = 10.0


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

        def pass_by(self, seconds: float, supervisor: Supervisor) -> Any:
            """Has a supervisor look in on its nodes often until then."""
            end = self.now + seconds
            result = None
            while result is None and self.now < end:
                self.now += min(0.5, end - self.now)
                result = supervisor.tend()
            return result

    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def supervise(tmp_path):
    """Makes a supervisor of one node."""

    def make_one(node: Any) -> Supervisor:
        folder = RunFolder(tmp_path)
        restarts = Restarts(folder, ["learner", "actor"], lambda: Counts(actor_steps=7))
        return Supervisor([node], folder.events, restarts, hang_timeout_s=HANG_TIMEOUT_S)

    return make_one


@pytest.fixture
def make(supervise):
    def make_one(may_end=False):
        node: Any = Node(FakeProcess, may_end=may_end)
        return node, supervise(node)

    return make_one


@pytest.fixture
def events(tmp_path):
    def read():
        return [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]

    return read


def fail(node, supervisor, exit_code=1):
    """Lets the node's process live, and fail."""
    node.process.beats += 1
    assert supervisor.tend() is None
    node.process.exit_code = exit_code
    return supervisor.tend()


def test_one_that_fails_is_started_again_at_once(make, clock, tmp_path, capsys):
    node, supervisor = make()
    assert supervisor.tend() is None
    first = node.process
    first.exit_code = 1
    assert supervisor.tend() is None
    assert first.is_gone
    assert node.process is not first
    assert "actor-0 is started again: ValueError: of its own" in capsys.readouterr().err
    failed, restarted = map(json.loads, (tmp_path / "events.jsonl").read_text().splitlines())
    assert (failed["event"], failed["reason"]) == ("failed", "ValueError: of its own")
    assert (restarted["event"], restarted["node"]) == ("restarted", "actor-0")


def test_a_node_says_what_it_is_at(make, clock):
    node, supervisor = make()

    def listed(state: NodeState, restarts: int) -> ListedNode:
        return ListedNode("actor-0", Role.ACTOR, 7, state, restarts)

    assert node.listed == listed(NodeState.STARTING, 0)
    node.process.beats += 1
    supervisor.tend()
    assert node.listed == listed(NodeState.RUNNING, 0)
    node.process.exit_code = 1
    assert node.listed.state is NodeState.DOWN
    supervisor.tend()
    assert node.listed == listed(NodeState.STARTING, 1)
    fail(node, supervisor)
    # It waits a second this time.
    assert node.listed == listed(NodeState.DOWN, 1)


def test_a_node_that_may_end_is_done_when_it_has(make):
    node, _ = make(may_end=True)
    node.process.exit_code = RUN_IS_OVER
    assert node.listed.state is NodeState.DONE


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


def test_one_that_does_not_get_on_is_given_up_however_long_that_takes(clock, supervise):
    steps = [0]
    node: Any = Node(FakeProcess, may_end=False, progress=lambda: steps[0])
    supervisor = supervise(node)
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


def test_a_start_that_fails_is_a_failure_too(clock, supervise):
    fails = [False]

    def start():
        if fails[0]:
            raise BlockingIOError("no process to be had")
        return FakeProcess()

    node: Any = Node(start, may_end=False)
    supervisor = supervise(node)
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
        assert fail(node, supervisor) is None
        assert not node.is_down
        clock.now += WITHIN_S


def test_one_that_never_comes_up_is_given_up_however_long_that_takes(make, clock):
    node, supervisor = make()
    for _ in range(MAX_FAILURES - 1):
        node.process.exit_code = 1
        assert supervisor.tend() is None
        clock.now += 2 * WITHIN_S
    node.process.exit_code = 1
    assert supervisor.tend().outcome is Outcome.FAILED


@pytest.mark.parametrize("exit_code", [-signal.SIGKILL, TOLD_TO_STOP, 0])
def test_one_that_others_kill_is_started_again_more_often_with_growing_delays(
    make, clock, events, exit_code
):
    node, supervisor = make()
    for _ in range(MAX_KILLED - 1):
        assert fail(node, supervisor, exit_code) is None
        assert clock.pass_by(4.1, supervisor) is None
        assert not node.is_down
    result = fail(node, supervisor, exit_code)
    assert result.outcome is Outcome.FAILED
    delays = [event["restart_in_s"] for event in events() if event["event"] == "failed"]
    assert delays == [0, 1, 2, 4, 4, 4, 4, 4, 4, None]


def test_one_that_gives_no_sign_of_life_is_killed_and_started_again(make, clock, events, capsys):
    node, supervisor = make()
    for _ in range(5):
        node.process.beats += 1
        assert clock.pass_by(HANG_TIMEOUT_S - 1, supervisor) is None
    hung = node.process
    assert clock.pass_by(2.0, supervisor) is None
    assert "leave_stacks" in hung.calls
    assert hung.is_gone
    assert node.process is not hung
    assert "actor-0 made no progress for 10 s, and was killed." in capsys.readouterr().err
    clock.pass_by(3.0, supervisor)
    node.process.beats += 1
    supervisor.tend()
    failed, restarted, back = events()
    assert failed["reason"] == "actor-0 made no progress for 10 s, and was killed."
    assert restarted["event"] == "restarted"
    # From the last sign of life on, which was seen at the first look of the last 9 seconds.
    assert (back["event"], back["seconds_lost"]) == ("back", 8.5 + 2 + 3)


def test_a_start_may_take_longer_than_a_step(make, clock):
    node, supervisor = make()
    first = node.process
    assert clock.pass_by(START_TIMEOUT_S - 1, supervisor) is None
    assert not first.is_gone
    clock.pass_by(2, supervisor)
    assert first.is_gone


def test_a_supervisor_that_was_stopped_itself_blames_nobody(make, clock):
    node, supervisor = make()
    node.process.beats += 1
    clock.pass_by(2.0, supervisor)
    clock.now += 1000 * HANG_TIMEOUT_S
    assert clock.pass_by(HANG_TIMEOUT_S - 3 - MAX_GAP_S, supervisor) is None
    assert not node.process.is_gone
    clock.pass_by(4, supervisor)
    assert node.process.exit_code is None  # That of the next one.
    assert node.process.beats == 0


def test_restarts_are_metrics(make, clock, tmp_path):
    node, supervisor = make()
    for seconds in (3.0, 5.0):
        fail(node, supervisor)
        clock.pass_by(seconds, supervisor)
        node.process.beats += 1
        supervisor.tend()
    with RunFolder(tmp_path).metrics("supervisor").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["restarts"], row["actor_restarts"]) for row in rows] == [("1", "1"), ("2", "2")]
    assert [float(row["seconds_lost"]) for row in rows] == [3.0, 8.0]
    assert [float(row["actor_seconds_lost"]) for row in rows] == [3.0, 8.0]
    assert {row["learner_restarts"] for row in rows} == {"0"}
    assert {row["actor_steps"] for row in rows} == {"7"}
    assert list((RunFolder(tmp_path).tensorboard / "supervisor").iterdir())


@pytest.mark.parametrize("may_end", [True, False])
def test_only_a_worker_may_end(make, clock, may_end):
    node, supervisor = make(may_end)
    before = node.process
    before.exit_code = RUN_IS_OVER
    assert supervisor.tend() is None
    assert node.is_done is may_end
    assert (node.process is before) is may_end


def test_a_worker_that_ends_with_status_0_before_the_run_is_over_has_failed(make, clock):
    node, supervisor = make(may_end=True)
    results = [fail(node, supervisor, exit_code=0)]
    assert not node.is_done
    while results[-1] is None:
        clock.now += 5.0
        results.append(fail(node, supervisor, exit_code=0))
    assert len(results) == MAX_FAILURES
    assert results[-1].outcome is Outcome.FAILED


def test_a_fatal_failure_ends_the_run_at_once(make, clock):
    node, supervisor = make()
    node.process.exit_code = FATAL
    result = supervisor.tend()
    assert result.outcome is Outcome.FAILED
    assert (result.failed_node, result.error) == ("actor-0", "Traceback\nValueError: of its own")
    assert not node.is_down
