"""A process from the search for a place to its end, with its host's watch."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

import pytest

from quinoa.launch.engines.ray import remote_process
from quinoa.launch.engines.ray.host_processes import Looks
from quinoa.launch.engines.ray.host_watch import HostWatch
from quinoa.launch.engines.ray.hosted_process import Look, Task
from quinoa.launch.engines.ray.placement import Place
from quinoa.launch.engines.ray.remote_process import RemoteProcess
from quinoa.launch.nodes.exit_codes import TOLD_TO_STOP
from quinoa.launch.run.roles import Role
from tests.launch.engines.ray import fake_ray
from tests.launch.helpers import wait_until

PLACE = Place(host="id-one", name="one", address="10.0.0.1")


class Agent:
    """A host whose processes are as the test says."""

    def __init__(self) -> None:
        self.looks: dict[str, Look] = {}
        self.notes: list[str] = []
        self.killed: list[str] = []
        self.terminated: list[str] = []
        self.num_questions = 0
        self.is_cut_off = False
        self.unreachable_times = 0

    def start(self, task: Task) -> None:
        assert task.variables == {"CUDA_VISIBLE_DEVICES": "1"}
        self.looks.setdefault(task.key, Look())

    def look(self, keys: Collection[str], seconds: float) -> Looks:
        self.num_questions += 1
        if self.unreachable_times:
            self.unreachable_times -= 1
            raise fake_ray.ActorUnavailableError("for a moment")
        while self.is_cut_off:
            time.sleep(0.01)
        time.sleep(min(seconds, 0.05))
        notes, self.notes = self.notes, []
        return Looks({key: self.looks[key] for key in keys}, notes)

    def kill(self, key: str) -> Look:
        self.killed.append(key)
        return Look(7, exit_code=-signal.SIGKILL, failure="the end of its log")

    def terminate(self, key: str) -> None:
        self.terminated.append(key)

    def leave_stacks(self, key: str) -> None:
        del key


class Reservation:
    """Room, once there is some."""

    def __init__(self) -> None:
        self.place_now: Place | None = PLACE
        self.num_released = 0

    def place(self, seconds: float) -> Place | None:
        del seconds
        time.sleep(0.01)
        return self.place_now

    def variables(self) -> dict[str, str]:
        return {"CUDA_VISIBLE_DEVICES": "1"}

    def release(self) -> None:
        self.num_released += 1


class Cluster:
    """One host, and what its watch has told."""

    def __init__(self, host_timeout_s: float = 10.0) -> None:
        self.agent = Agent()
        self.actor = fake_ray.Actor(self.agent)
        self.told: list[str] = []
        self.watch = HostWatch(self.actor, host_timeout_s, self.told.append)
        self.reservations: list[Reservation] = []
        self.is_answering = True
        self.all_answer = True

    def process(self, index: int = 0, reserve: Callable[[], Any] | None = None) -> RemoteProcess:
        def new() -> Any:
            self.reservations.append(Reservation())
            return self.reservations[-1]

        task = Task(f"actor-{index} 0", Role.ACTOR, index, b"")
        return RemoteProcess(task, reserve or new, self._ready, lambda: self.all_answer)

    def _ready(self, role: Role, place: Place) -> HostWatch | None:
        assert (role, place) == (Role.ACTOR, PLACE)
        return self.watch if self.is_answering else None


@pytest.fixture
def cluster(monkeypatch):
    fake_ray.install(monkeypatch)
    monkeypatch.setattr(remote_process, "_PLACE_S", 0.01)
    made = Cluster()
    yield made
    made.agent.is_cut_off = False
    made.watch.close()


def running(cluster: Cluster, index: int = 0) -> RemoteProcess:
    process = cluster.process(index)
    key = f"actor-{index} 0"
    assert wait_until(lambda: key in cluster.agent.looks, 10)
    cluster.agent.looks[key] = Look(pid=7 + index, beats=3)
    assert wait_until(lambda: process.pid == 7 + index, 10)
    return process


def test_it_is_started_where_ray_has_room_and_its_beats_are_told(cluster):
    process = running(cluster)
    assert (process.name, process.host, process.exit_code) == ("actor-0", "one", None)
    beats = process.beats
    cluster.agent.looks["actor-0 0"] = Look(pid=7, beats=10)
    assert wait_until(lambda: process.beats == beats + 7, 10)
    cluster.agent.looks["actor-0 0"] = Look(pid=7, exit_code=1, failure="it broke")
    assert wait_until(lambda: process.exit_code == 1, 10)
    assert process.failure() == "it broke"
    process.kill()
    # What it has left goes too, and its room is given back.
    assert cluster.agent.killed == ["actor-0 0"]
    assert not process.was_killed
    assert wait_until(lambda: cluster.reservations[0].num_released == 1, 10)
    process.kill()
    assert cluster.agent.killed == ["actor-0 0"]


def test_while_there_is_no_room_or_the_host_does_not_answer_it_waits_alive(cluster):
    made = Reservation()
    made.place_now = None
    cluster.is_answering = False
    process = cluster.process(reserve=lambda: made)
    for change in (lambda: None, lambda: setattr(made, "place_now", PLACE)):
        change()
        beats = process.beats
        assert wait_until(lambda: process.beats > beats + 2, 10)  # noqa: B023 - at once
        assert process.pid == 0 and process.exit_code is None
    cluster.is_answering = True
    assert wait_until(lambda: "actor-0 0" in cluster.agent.looks, 10)


def test_one_that_is_stopped_before_it_has_a_place_does_not_start(cluster):
    made = Reservation()
    made.place_now = None
    process = cluster.process(reserve=lambda: made)
    process.terminate()
    assert process.exit_code == TOLD_TO_STOP
    made.place_now = PLACE
    process.kill()
    assert wait_until(lambda: made.num_released == 1, 10)
    assert cluster.agent.looks == {}


def test_ray_is_not_asked_for_room_while_a_host_does_not_answer(cluster):
    """It would wait for that host with whatever it reserves, and reserve nothing elsewhere."""
    cluster.all_answer = False
    process = cluster.process()
    assert wait_until(lambda: process.beats > 2, 10)
    assert cluster.reservations == [] and process.exit_code is None
    cluster.all_answer = True
    assert wait_until(lambda: "actor-0 0" in cluster.agent.looks, 10)
    cluster.all_answer = False
    stopped = cluster.process(1)
    stopped.terminate()
    assert stopped.exit_code == TOLD_TO_STOP
    stopped.kill()


def test_stopping_in_order_and_killing_reach_the_host(cluster):
    process = running(cluster)
    process.terminate()
    assert wait_until(lambda: cluster.agent.terminated == ["actor-0 0"], 10)
    process.kill()
    assert process.exit_code == -signal.SIGKILL and process.was_killed
    assert process.with_log("It hung.") == "the end of its log\nIt hung."


def test_however_many_processes_a_host_has_it_is_asked_once_for_all(cluster):
    processes = [running(cluster, index) for index in range(10)]
    before = cluster.agent.num_questions
    time.sleep(0.5)
    # Each question takes 0.05 s here, for all of them.
    assert 0 < cluster.agent.num_questions - before <= 11
    assert [process.pid for process in processes] == list(range(7, 17))


def test_a_host_that_is_unreachable_for_a_moment_loses_nothing(cluster):
    process = running(cluster)
    cluster.agent.unreachable_times = 3
    assert wait_until(lambda: not cluster.agent.unreachable_times, 10)
    cluster.agent.looks["actor-0 0"] = Look(pid=7, beats=20)
    beats = process.beats
    assert wait_until(lambda: process.beats > beats, 10)
    assert process.exit_code is None


def test_all_processes_of_a_host_that_does_not_answer_are_lost_and_it_is_waited_for_once(
    monkeypatch,
):
    fake_ray.install(monkeypatch)
    cluster = Cluster(host_timeout_s=0.5)
    processes = [running(cluster, index) for index in range(3)]
    cluster.agent.is_cut_off = True
    try:
        assert wait_until(lambda: all(process.exit_code for process in processes), 10)
        assert {process.exit_code for process in processes} == {-signal.SIGKILL}
        assert "actor-0 on one is lost: its host has not answered" in processes[0].failure()
        start = time.monotonic()
        for process in processes:
            process.kill()
        assert time.monotonic() - start < 1
    finally:
        cluster.agent.is_cut_off = False
        cluster.watch.close()


def test_when_a_hosts_actor_dies_its_processes_are_lost(cluster):
    process = running(cluster)
    cluster.actor.is_killed = True
    assert wait_until(lambda: process.exit_code is not None, 10)
    assert process.failure() == "actor-0 on one is lost: it was killed"
    # One that is placed there before that is known is lost as well.
    later = cluster.process(1)
    assert wait_until(lambda: later.exit_code is not None, 10)


def test_what_a_host_has_to_tell_is_told(cluster):
    running(cluster)
    cluster.agent.notes = ["a line"]
    assert wait_until(lambda: cluster.told == ["a line"], 10)


def test_room_that_is_found_after_its_end_is_given_back(cluster):
    found = threading.Event()
    made = Reservation()

    def reserve() -> Reservation:
        found.wait(10)
        return made

    process = cluster.process(reserve=reserve)
    process.kill()
    found.set()
    assert wait_until(lambda: made.num_released == 1, 10)
