"""Actors that are added to a run and taken away, with plain objects in place of processes."""

from __future__ import annotations

import functools
import json
import time

import pytest

from quinoa.launch.engines.scaling import Scaling
from quinoa.launch.engines.supervision import Node
from quinoa.launch.errors import RunError
from quinoa.launch.nodes.topology import KINDS
from quinoa.launch.run import scale
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.engines.fakes import FakeProcess


class FakeRun:
    """A run with a replay server and two actors.

    Attributes:
        nodes: of the run, as its supervisor has them.
        started: all processes, in the order of their starts.
        obeys: see `FakeProcess`, of those that are started from now on.
        error: what the start of an actor raises, if anything.
    """

    def __init__(self, folder: RunFolder):
        self.folder = folder
        self.started: list[FakeProcess] = []
        self.obeys: int | None = 0
        self.error: Exception | None = None
        self.nodes = [
            Node(functools.partial(self._start, Role.REPLAY, 0), may_end=False),
            *(Node(self.actor(index), may_end=True) for index in range(2)),
        ]
        self.scaling = Scaling(self.nodes, folder, self.actor)

    def actor(self, index: int) -> functools.partial[FakeProcess]:
        return functools.partial(self._start, Role.ACTOR, index)

    def ask(self, num_actors: int) -> None:
        scale.ask(self.folder, num_actors)
        self.scaling.follow()

    @property
    def names(self) -> list[str]:
        return [node.process.name for node in self.nodes]

    @property
    def texts(self) -> list[str]:
        lines = self.folder.events.read_text().splitlines() if self.folder.events.exists() else []
        return [json.loads(line)["text"] for line in lines]

    def _start(self, role: Role, index: int) -> FakeProcess:
        if self.error is not None:
            raise self.error
        process = FakeProcess(role, index, obeys=self.obeys)
        self.started.append(process)
        return process


@pytest.fixture
def run(tmp_path):
    return FakeRun(RunFolder(tmp_path))


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_nothing_changes_unless_it_is_asked_for(run):
    before = list(run.nodes)
    run.scaling.follow()
    run.ask(2)
    assert run.nodes == before
    assert run.texts == []


def test_actors_that_are_added_have_the_next_indices(run):
    run.ask(4)
    assert run.names == ["replay-0", "actor-0", "actor-1", "actor-2", "actor-3"]
    assert all(node.may_end for node in run.nodes[1:])
    # The same number again is no other.
    run.scaling.follow()
    assert len(run.started) == 5
    assert run.texts == ["4 actors in place of 2"]


def test_the_last_actors_are_told_to_stop_and_are_not_missed(run):
    run.ask(1)
    leaving = run.nodes[2]
    assert leaving.is_retired
    assert leaving.process.calls == ["terminate"]
    assert not leaving.has_failed
    run.scaling.follow()
    assert run.names == ["replay-0", "actor-0"]
    assert leaving.process.is_gone
    assert not leaving.process.was_killed
    assert run.texts == ["1 actors in place of 2"]


def test_one_that_does_not_stop_in_time_is_killed(tmp_path, clock):
    run = FakeRun(RunFolder(tmp_path))
    last = run.started[-1]
    last.obeys = None
    run.ask(1)
    clock[0] = KINDS[Role.ACTOR].stop_grace_s - 0.1
    run.scaling.follow()
    assert not last.is_gone
    clock[0] += 0.2
    run.scaling.follow()
    assert last.was_killed
    assert run.names == ["replay-0", "actor-0"]


def test_an_index_is_free_only_when_its_actor_has_gone(run):
    last = run.started[-1]
    last.obeys = None
    run.ask(1)
    run.ask(2)
    assert run.names == ["replay-0", "actor-0", "actor-1"]
    assert run.started[-1] is last
    last.exit_code = 0
    run.scaling.follow()
    assert run.names == ["replay-0", "actor-0", "actor-1"]
    assert run.started[-1] is not last
    assert run.texts == ["1 actors in place of 2", "2 actors in place of 1"]


def test_one_that_waits_for_its_restart_is_not_started_again(run):
    node = run.nodes[2]
    node.process.exit_code = 1
    node.plan_restart(0.0, killed=False, silent_s=0.0)
    run.ask(1)
    assert not node.is_down
    assert not node.is_due(1e9)
    run.scaling.follow()
    assert run.names == ["replay-0", "actor-0"]


@pytest.mark.parametrize(
    "error",
    [OSError(11, "Resource temporarily unavailable"), RunError("the checkpoint is damaged")],
)
def test_where_no_actor_can_be_added_it_is_tried_once(run, capsys, error):
    run.error = error
    run.ask(4)
    run.scaling.follow()
    assert capsys.readouterr().err == f"quinoa: note: no actor can be added ({error}).\n"
    assert run.names == ["replay-0", "actor-0", "actor-1"]
    # When the user asks again, there may be room.
    run.error = None
    run.ask(3)
    assert run.names[-1] == "actor-2"
    assert run.texts == ["3 actors in place of 2"]


def test_an_actor_at_least_is_left(run):
    run.ask(0)
    assert run.names == ["replay-0", "actor-0", "actor-1"]
