from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from quinoa.launch.engines.ray import hosts as hosts_module
from quinoa.launch.engines.ray.host_agent import Opened
from quinoa.launch.engines.ray.host_processes import HostedRun
from quinoa.launch.engines.ray.host_watch import HostLostError, HostWatch
from quinoa.launch.engines.ray.hosted_process import Task
from quinoa.launch.engines.ray.hosts import Hosts
from quinoa.launch.engines.ray.placement import Place
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.engines.ray import fake_ray
from tests.launch.helpers import experiment, wait_until

PORTS = {Role.LEARNER: 1001, Role.REPLAY: 1002, Role.COUNTER: 1003}
HOSTED = HostedRun(
    experiment(), {}, folder=Path(), run=RunFolder(Path("/run")), mark="mark", lease_s=10.0
)


class Agent:
    """A host that answers when the test says so."""

    made: list[Agent]

    def __init__(self, keys: Any, ports: Mapping[Role, int], address: str, hosted: HostedRun):
        assert ports == PORTS and hosted is HOSTED
        self.address = address
        self.gateway_address = f"{address}:1"
        self.answers = threading.Event()
        if not address.startswith("slow"):
            self.answers.set()
        self.routes: Mapping[Role, str | None] = {}
        self.version = 0
        self.is_closed = False
        self.made.append(self)

    def open(self, *, private: bool) -> Opened:
        assert not private
        return Opened(self.gateway(), None)

    def gateway(self) -> str:
        self.answers.wait()
        return self.gateway_address

    def route(self, version: int, routes: Mapping[Role, str | None]) -> None:
        self.answers.wait()
        if version > self.version:
            self.version, self.routes = version, routes

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def agents(monkeypatch):
    fake_ray.install(monkeypatch)
    Agent.made = []
    monkeypatch.setattr(hosts_module, "HostAgent", Agent)
    monkeypatch.setattr(hosts_module, "_LOOK_S", 0.05)
    monkeypatch.setattr(hosts_module, "_ROUTE_S", 0.5)
    yield Agent.made
    for agent in Agent.made:
        agent.answers.set()


def make_hosts() -> Hosts:
    return Hosts(
        PORTS,
        HOSTED,
        private=False,
        host_timeout_s=10.0,
        not_private=lambda place, why: None,
        on_note=lambda note: None,
    )


@pytest.fixture
def hosts(agents):
    made = make_hosts()
    yield made
    made.close()


def place(name: str) -> Place:
    return Place(host=f"id-{name}", name=name, address=name)


def in_thread(call: Callable[[], Any]) -> Callable[[], Any]:
    """Calls in a thread; what is returned waits for the end and returns the result."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(call()))
    thread.start()

    def join() -> Any:
        thread.join(30)
        assert not thread.is_alive()
        return results[0]

    return join


def test_each_host_knows_where_the_services_are(hosts, agents):
    hosts.ready(Role.LEARNER, place("one"))
    hosts.ready(Role.ACTOR, place("two"))
    one, two = agents
    assert one.routes == {Role.LEARNER: None}
    assert two.routes == {Role.LEARNER: "one:1"}
    hosts.ready(Role.REPLAY, place("two"))
    assert two.routes == {Role.LEARNER: "one:1", Role.REPLAY: None}
    assert wait_until(lambda: one.routes == {Role.LEARNER: None, Role.REPLAY: "two:1"}, 10)


def test_no_host_waits_for_one_that_is_made_ready_slowly(hosts, agents):
    slow = in_thread(lambda: hosts.ready(Role.LEARNER, place("slow")))
    # For another process there too: it is made ready once.
    also = in_thread(lambda: hosts.ready(Role.REPLAY, place("slow")))
    assert wait_until(lambda: len(agents) == 1, 10)
    assert isinstance(in_thread(lambda: hosts.ready(Role.ACTOR, place("quick")))(), HostWatch)
    agents[0].answers.set()
    assert slow() is also()
    assert len(agents) == 2
    known = {Role.LEARNER: "slow:1", Role.REPLAY: "slow:1"}
    assert wait_until(lambda: agents[1].routes == known, 10)


def test_no_host_waits_for_one_that_is_cut_off_and_that_one_learns_all_when_it_is_back(
    hosts, agents, monkeypatch
):
    hosts.ready(Role.ACTOR, place("one"))
    cut_off = agents[0]
    cut_off.answers.clear()
    # Longer than what follows may take.
    monkeypatch.setattr(hosts_module, "_ROUTE_S", 30.0)
    in_thread(lambda: hosts.ready(Role.LEARNER, place("two")))()
    agents[1].gateway_address = "two:2"
    assert wait_until(lambda: agents[1].routes == {Role.LEARNER: None}, 10)
    cut_off.answers.set()
    assert wait_until(lambda: cut_off.routes == {Role.LEARNER: "two:2"}, 10)


def test_a_process_does_not_start_on_a_host_that_does_not_answer(hosts, agents):
    """Ray may move it, and until then it waits."""
    watch = hosts.ready(Role.ACTOR, place("one"))
    agents[0].answers.clear()
    assert hosts.ready(Role.ACTOR, place("one")) is None
    assert not hosts.all_answer()
    agents[0].answers.set()
    assert wait_until(hosts.all_answer, 10)
    assert hosts.ready(Role.ACTOR, place("one")) is watch


def test_a_host_that_has_died_is_made_ready_anew(hosts, agents):
    before = hosts.ready(Role.LEARNER, place("one"))
    (died,) = hosts._hosts.values()
    died.agent.is_killed = True
    assert wait_until(lambda: not hosts._hosts, 10)
    with pytest.raises(HostLostError):
        before.start(Task("actor-0 0", Role.ACTOR, 0, b""), None)
    again = hosts.ready(Role.LEARNER, place("one"))
    assert again is not None and again is not before
    assert len(agents) == 2
    assert agents[1].routes == {Role.LEARNER: None}


def test_a_host_that_is_ready_when_the_run_is_over_is_refused(agents):
    made = make_hosts()
    made.ready(Role.ACTOR, place("one"))
    problems = []

    def too_late() -> None:
        try:
            made.ready(Role.ACTOR, place("slow"))
        except OSError as error:
            problems.append(str(error))

    thread = threading.Thread(target=too_late)
    thread.start()
    assert wait_until(lambda: len(agents) == 2, 10)
    made.close()
    assert agents[0].is_closed
    agents[1].answers.set()
    thread.join(30)
    assert problems == ["the run is over"]
