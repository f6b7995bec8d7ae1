import functools
import time

import pytest

from quinoa.launch.engines.ray.engine import TooFewActors
from quinoa.launch.engines.supervision import Node
from quinoa.launch.nodes.exit_codes import RUN_IS_OVER
from quinoa.launch.run.roles import Role
from tests.launch.engines.fakes import FakeProcess


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def _same(process: FakeProcess) -> FakeProcess:
    return process


def actors(*pids: int) -> list[Node]:
    made = []
    for index, pid in enumerate(pids):
        process = FakeProcess(Role.ACTOR, index)
        process.pid = pid
        made.append(Node(functools.partial(_same, process), may_end=True))
    return [*made, Node(lambda: FakeProcess(Role.REPLAY), may_end=False)]


def test_too_few_actors_for_too_long_end_a_run(clock):
    problem = TooFewActors(min_actors=2, patience_s=30.0)
    few, enough = actors(7, 0, 0), actors(7, 8, 0)
    assert problem(few) is None
    clock[0] = 29.0
    assert problem(few) is None
    # Enough in between: the time starts anew.
    assert problem(enough) is None
    clock[0] = 31.0
    assert problem(few) is None
    clock[0] = 61.0
    assert problem(few) == (
        "1 of 3 actors have had a host for 30 s, and --min_actors=2 wants more: add hosts and "
        "resume the run."
    )


def test_actors_that_are_done_are_not_missing(clock):
    problem = TooFewActors(min_actors=2, patience_s=0.0)
    nodes = actors(7, 8)
    for node in nodes[:2]:
        vars(node.process)["exit_code"] = RUN_IS_OVER
    assert problem(nodes) is None


def test_by_default_a_run_waits_for_hosts_for_ever(clock):
    problem = TooFewActors(min_actors=0, patience_s=0.0)
    clock[0] = 1e9
    assert problem(actors(0, 0)) is None
