"""Real servers that move to another port, and real clients that find them again."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import threading
from collections.abc import Iterator
from typing import Any

import courier
import numpy as np
import portpicker
import pytest
import reverb

from quinoa.agents import registry, replay
from quinoa.agents.actor import Actor
from quinoa.agents.compiled_policy import CompiledPolicy
from quinoa.agents.replay import SegmentWriter
from quinoa.agents.rows import RowLayout
from quinoa.launch.metrics.counter import Counter
from quinoa.launch.metrics.reporter import BackgroundReporter
from quinoa.launch.nodes import addresses as addresses_module
from quinoa.launch.nodes.addresses import FixedAddresses
from quinoa.launch.nodes.peers import Peers, RemoteMethod, ReplayPeer, ServiceMovedError
from quinoa.launch.run import events
from quinoa.launch.run.budget import Budget
from quinoa.launch.run.events import EventKind
from quinoa.launch.run.reports import Answer, Report
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.helpers import experiment, replay_config, wait_until
from tests.launch.nodes.test_addresses import MovingAddresses

# Seconds in which a call must be answered, so that one to a server that is gone ends soon.
TIMEOUT_S = 1.0


@contextlib.contextmanager
def serving(addresses: MovingAddresses, role: Role, **methods: Any) -> Iterator[None]:
    """A Courier server at a port of its own, which becomes the role's address."""
    server = courier.Server()
    for name, method in methods.items():
        server.Bind(name, method)
    server.Start()
    addresses.now[role] = f"localhost:{server.port}"
    try:
        yield
    finally:
        server.Stop()
        server.Join()


def test_a_client_is_made_once_its_server_listens(monkeypatch):
    # One that is made before tries again a second later, however soon the server starts.
    port = portpicker.pick_unused_port()
    made = threading.Event()
    client_class = courier.Client

    def client(*args: Any, **kwargs: Any) -> courier.Client:
        made.set()
        return client_class(*args, **kwargs)

    monkeypatch.setattr(courier, "Client", client)
    call: RemoteMethod[[int], int]
    call = RemoteMethod(FixedAddresses({Role.LEARNER: f"localhost:{port}"}), Role.LEARNER, "double")
    with concurrent.futures.ThreadPoolExecutor(1) as calling:
        answer = calling.submit(call, 3)
        assert not made.wait(0.1)
        server = courier.Server(port=port)
        server.Bind("double", lambda number: 2 * number)
        server.Start()
        assert answer.result() == 6
    server.Stop()
    server.Join()
    portpicker.return_port(port)


def test_a_courier_server_that_moves_is_found_again():
    addresses = MovingAddresses()
    call: RemoteMethod[[int], int]
    call = RemoteMethod(addresses, Role.LEARNER, "double", timeout_s=TIMEOUT_S)
    with serving(addresses, Role.LEARNER, double=lambda number: 2 * number):
        assert call(3) == 6
        first = addresses.now[Role.LEARNER]
    with serving(addresses, Role.LEARNER, double=lambda number: 20 * number):
        assert addresses.now[Role.LEARNER] != first
        # The client asks where the server was, and fails; the next one is made for where it is.
        with pytest.raises(Exception, match=r"(?i)deadline|unavailable|connect"):
            call(3)
        assert call(3) == 60


def test_a_method_that_raises_is_called_again_as_if_nothing_had_been():
    addresses = MovingAddresses()
    answers: Iterator[ValueError | int] = iter([ValueError("not now"), 7])

    def answer() -> int:
        found = next(answers)
        if isinstance(found, ValueError):
            raise found
        return found

    call: RemoteMethod[[], int] = RemoteMethod(addresses, Role.LEARNER, "answer")
    with serving(addresses, Role.LEARNER, answer=answer):
        with pytest.raises(Exception, match="not now"):
            call()
        assert call() == 7


def test_a_counter_that_moves_gets_every_report_once(tmp_path):
    addresses = MovingAddresses()
    report: RemoteMethod[[Report], Answer] = RemoteMethod(
        addresses, Role.COUNTER, "report", timeout_s=TIMEOUT_S
    )
    folder = RunFolder(tmp_path)
    # An environment's error may have text that Courier sends only where it is escaped.
    lines = [
        events.line(EventKind.PARAMETERS_OLD, "actor-0", text=text) for text in ("\udcff", "later")
    ]
    first = Counter(folder, Budget(10**6))
    with serving(addresses, Role.COUNTER, report=first.report):
        reporter = BackgroundReporter(report, "actor", period_s=0.01)
        reporter.add(5)
        reporter.add_event(lines[0])
        reporter.record({"actor": 0, "episode_return": 1.0})
        assert wait_until(lambda: reporter.counts.actor_steps == 5, 20)
        assert wait_until(lambda: not (reporter._rows or reporter._events), 20)
    # As a process does that ends before it is told to stop: what a next one needs stays.
    first.save()
    reporter.add(2)
    reporter.add_event(lines[1])
    reporter.record({"actor": 0, "episode_return": 2.0})
    second = Counter(folder, Budget(10**6))
    with serving(addresses, Role.COUNTER, report=second.report):
        assert wait_until(lambda: reporter.counts.actor_steps == 7, 20)
        reporter.close()
    second.close()
    returns = [row.split(",") for row in folder.metrics("actor").read_text().splitlines()]
    column = returns[0].index("episode_return")
    assert [float(row[column]) for row in returns[1:]] == [1.0, 2.0]
    assert folder.events.read_text().splitlines() == lines
    assert second.status().counts.actor_steps == 7


def test_a_node_reaches_no_service_but_those_that_it_is_said_to_call():
    peers = Peers.of(Role.EVALUATOR, MovingAddresses(replay="localhost:1"))
    with pytest.raises(LookupError, match="not known to call the replay"):
        peers.replay.server_info(1)


@pytest.fixture
def quick(monkeypatch):
    """Addresses are asked for all the time."""
    monkeypatch.setattr(addresses_module, "_ASK_S", 0.0)


class Replay:
    """A replay server of the small experiment that moves from port to port."""

    def __init__(self) -> None:
        self.of = experiment(samples_per_insert=0.0)
        self.addresses = MovingAddresses()
        self.peer = ReplayPeer(self.addresses)
        self.server: reverb.Server | None = None
        self.move()

    def move(self) -> None:
        self.stop()
        self.server = reverb.Server(self.of.make_source().tables())
        self.addresses.now[Role.REPLAY] = f"localhost:{self.server.port}"

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop()
            self.server = None

    def write(self, steps: int) -> None:
        """Acts for so many steps of 4 environments, from a connection of its own."""
        address = self.peer.connect(lambda: False)
        assert address is not None
        actor = self.actor(address)
        for _ in range(steps):
            actor.step()
        actor.close()

    def actor(self, address: str) -> Actor:
        config, spec = replay_config(self.of), self.of.spec()
        writer = SegmentWriter(
            address,
            4,
            config,
            RowLayout(spec),
            should_stop=self.peer.failing_where_moved(address, lambda: False),
        )
        agent_class = registry.load(self.of.agent).agent_class
        policy = CompiledPolicy(agent_class.make_policy(config, spec))
        return Actor(
            policy, self.of.make_environments(4, "actor", 0), writer, seed=1, parameters=None
        )


@pytest.fixture
def moving(quick):
    made = Replay()
    yield made
    made.stop()


def test_a_reverb_server_that_moves_is_looked_at_and_connected_to_where_it_is(moving):
    assert moving.peer.server_info(1)
    moving.move()
    with pytest.raises((RuntimeError, reverb.errors.ReverbError)):
        moving.peer.server_info(1)
    assert moving.peer.server_info(5)
    assert moving.peer.connect(lambda: False) == moving.addresses.now[Role.REPLAY]


def test_a_server_is_waited_for_where_it_comes_up(moving):
    moving.stop()
    looks: list[bool] = []

    def should_stop() -> bool:
        looks.append(True)
        if len(looks) == 3:
            moving.move()
        return len(looks) > 60

    address = moving.peer.connect(should_stop)
    assert address == moving.addresses.now[Role.REPLAY]
    assert reverb.Client(address).server_info(1)


def test_superbatches_go_on_from_where_the_server_has_moved(moving):
    stop = threading.Event()
    draw = functools.partial(_draw, moving)
    moving.write(200)
    superbatches = moving.peer.drawn(draw, stop.is_set)
    assert next(superbatches).reward.shape == (2, 64)
    moving.move()
    threading.Timer(0.5, moving.write, (200,)).start()
    # One that was drawn ahead may still come from the old one.
    for _ in range(4):
        assert np.isfinite(next(superbatches).reward).all()
    information = moving.server.localhost_client().server_info(5)
    assert information[replay.TABLE].rate_limiter_info.sample_stats.completed > 0
    stop.set()
    assert next(superbatches, None) is None


def _draw(moving: Replay, address: str, ends: Any) -> Any:
    return replay.superbatches(
        address,
        replay_config(moving.of),
        RowLayout(moving.of.spec()),
        steps_per_call=2,
        should_stop=ends,
    )


def test_a_writer_fails_where_the_server_has_moved(moving):
    """Were it to send anew what was on its way, that might be there twice."""
    actor = moving.actor(moving.peer.connect(lambda: False))
    for _ in range(20):
        actor.step()
    before = moving.addresses.now[Role.REPLAY]
    moving.move()
    with pytest.raises(ServiceMovedError, match=f"has moved from {before} to localhost"):
        for _ in range(1000):
            actor.step()
