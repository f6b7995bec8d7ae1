from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from quinoa.launch.engines.ray.gateway.keys import RunKeys
from quinoa.launch.engines.ray.gateway.process import Gateway, GatewayError
from quinoa.launch.engines.ray.gateway.sockets import split_address
from quinoa.launch.run.roles import Role
from tests.launch.engines.ray.gateway.hosts import (
    Echo,
    eventually,
    free_ports,
    hosts,
    is_cut,
    received,
    refuses,
)
from tests.launch.helpers import ROOT, descriptors, descriptors_are_back_at


def ended(gateway: Gateway) -> int:
    """The exit status of a gateway that ends."""
    end = time.monotonic() + 10.0
    while (code := gateway.exit_code) is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    return code


@pytest.fixture(scope="module")
def keys() -> RunKeys:
    return RunKeys.make()


@pytest.fixture(scope="module")
def ports():
    return free_ports()


@pytest.fixture(scope="module")
def three(keys, ports):
    """Three hosts of a run; their gateways are up, and nothing is said of services."""
    with hosts(keys, ports, 3) as made:
        yield made


@pytest.fixture
def replay(three, ports):
    """A service of the first host, which the others reach through their gateways."""
    here, *others = three
    here.gateway.route(Role.REPLAY, None)
    for host in others:
        host.gateway.route(Role.REPLAY, here.gateway.address)
    service = Echo(here.inside, ports[Role.REPLAY], b"first")
    yield service
    service.close()
    # Connections of one test are none of the next.
    for host in three:
        host.gateway.route(Role.REPLAY, "127.0.77.99:1")


def test_bytes_come_through_whole_in_both_directions_to_the_end(three, ports, replay):
    data = random.Random(0).randbytes(5_000_000)
    with eventually(three[1].inside, ports[Role.REPLAY], b"first") as client:

        def send() -> None:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        # The service ends its direction only after the other one has ended.
        assert received(client, len(data) + 1) == data
        sender.join()
        assert client.recv(1) == b""


def test_a_service_that_ends_its_direction_first_is_heard_and_still_gets_data(three, ports):
    here, there, _ = three
    here.gateway.route(Role.COUNTER, None)
    there.gateway.route(Role.COUNTER, here.gateway.address)
    with (
        here.inside.listen(ports[Role.COUNTER]) as listener,
        there.inside.connect(ports[Role.COUNTER]) as client,
    ):
        served, _ = listener.accept()
        with served:
            served.settimeout(10.0)
            served.sendall(b"goodbye")
            served.shutdown(socket.SHUT_WR)
            assert received(client, 8) == b"goodbye"
            client.sendall(b"one more")
            client.shutdown(socket.SHUT_WR)
            assert received(served, 9) == b"one more"


def test_processes_of_the_services_own_host_reach_it_directly(three, ports, replay):
    with three[0].inside.connect(ports[Role.REPLAY]) as client:
        assert received(client, 5) == b"first"


def test_where_no_service_has_a_route_yet_clients_are_refused(three, ports):
    with pytest.raises(ConnectionRefusedError):
        three[1].inside.connect(ports[Role.LEARNER])


def test_a_service_that_is_not_up_yet_is_found_once_it_is(three, ports):
    here, there, _ = three
    here.gateway.route(Role.LEARNER, None)
    there.gateway.route(Role.LEARNER, here.gateway.address)
    # The reset may come while the client still connects.
    assert refuses(there.inside, ports[Role.LEARNER])
    service = Echo(here.inside, ports[Role.LEARNER], b"learner")
    eventually(there.inside, ports[Role.LEARNER], b"learner").close()
    service.close()


def test_two_hundred_connections_at_once_keep_apart(three, ports, replay):
    clients = [three[1 + number % 2].inside.connect(ports[Role.REPLAY]) for number in range(200)]
    try:
        for number, client in enumerate(clients):
            client.sendall(b"%05d" % number)
        assert [received(client, 10) for client in clients] == [
            b"first%05d" % number for number in range(200)
        ]
    finally:
        for client in clients:
            client.close()


def test_a_slow_reader_slows_the_writer_and_fills_no_memory(three, ports, replay):
    def resident() -> int:
        return sum(psutil.Process(host.gateway.pid).memory_info().rss for host in three)

    with eventually(three[1].inside, ports[Role.REPLAY], b"first") as client:
        before = resident()
        client.settimeout(1.0)
        sent = 0
        # The service sends everything back, and the client reads none of it.
        with contextlib.suppress(TimeoutError, socket.timeout):
            while sent < 500_000_000:
                sent += client.send(bytes(1 << 20))
        assert 0 < sent < 500_000_000
        assert resident() - before < 20_000_000
        # Others are served meanwhile, and what waits comes in the end.
        eventually(three[1].inside, ports[Role.REPLAY], b"first").close()
        client.settimeout(10.0)
        assert len(received(client, sent)) == sent


def test_a_service_that_moves_is_found_and_its_old_connections_are_cut(three, ports, replay):
    first, client_host, second = three
    port = ports[Role.REPLAY]
    old = eventually(client_host.inside, port, b"first")
    near = eventually(first.inside, port, b"first")
    # Now the agents of the hosts are told, one after the other.
    first.gateway.route(Role.REPLAY, second.gateway.address)
    assert is_cut(old)
    replay.close()
    assert is_cut(near)
    second.gateway.route(Role.REPLAY, None)
    moved = Echo(second.inside, port, b"second")
    client_host.gateway.route(Role.REPLAY, second.gateway.address)
    for host in three:
        eventually(host.inside, port, b"second").close()
    for each in (old, near, moved):
        each.close()


def test_connections_go_on_when_the_same_route_is_said_again(three, ports, replay):
    with eventually(three[1].inside, ports[Role.REPLAY], b"first") as client:
        three[0].gateway.route(Role.REPLAY, None)
        three[1].gateway.route(Role.REPLAY, three[0].gateway.address)
        client.sendall(b"still there")
        assert received(client, 11) == b"still there"


def test_a_killed_gateway_cuts_its_connections_and_another_takes_its_place(keys, ports, tmp_path):
    with hosts(keys, ports) as (here, there), contextlib.ExitStack() as stack:
        port = ports[Role.REPLAY]
        here.gateway.route(Role.REPLAY, None)
        there.gateway.route(Role.REPLAY, here.gateway.address)
        stack.callback(Echo(here.inside, port, b"first").close)
        client = stack.enter_context(eventually(there.inside, port, b"first"))
        for host in (here, there):
            os.kill(host.gateway.pid, signal.SIGKILL)
            assert is_cut(client)
            with pytest.raises(GatewayError, match=r"ended|not answer"):
                host.gateway.route(Role.REPLAY, None)
            assert ended(host.gateway) == -signal.SIGKILL
            another = Gateway.start(keys.for_host(host.address), ports, host.address, host.network)
            stack.callback(another.close)
            host.gateway.close()
            host.gateway = another
            here.gateway.route(Role.REPLAY, None)
            there.gateway.route(Role.REPLAY, here.gateway.address)
            client = stack.enter_context(eventually(there.inside, port, b"first"))


def knock(address: str, context: ssl.SSLContext | None, data: bytes) -> bytes:
    """What a gateway answers to a stranger who sends data, and ends then."""
    with socket.create_connection(split_address(address), 10.0) as connection:
        try:
            if context is None:
                connection.sendall(data)
                return connection.recv(1 << 16)
            with context.wrap_socket(connection, server_hostname="127.0.77.1") as tls:
                tls.sendall(b"replay".ljust(16, b"\0") + data)
                return tls.recv(1 << 16)
        except OSError:
            return b""


def keyless() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def of_another_run() -> ssl.SSLContext:
    context = RunKeys.make().for_host("127.0.77.2").connecting_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.parametrize("make_context", [lambda: None, keyless, of_another_run])
def test_strangers_reach_nothing_and_disturb_nobody(three, ports, replay, make_context):
    with eventually(three[1].inside, ports[Role.REPLAY], b"first") as client:
        before = len(replay.connections)
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", bytes(70_000)):
            answer = knock(three[0].gateway.address, make_context(), data)
            # In plain text it may be an alert of TLS.
            assert b"first" not in answer
            assert len(answer) < 16
        assert len(replay.connections) == before
        client.sendall(b"undisturbed")
        assert received(client, 11) == b"undisturbed"


def test_strangers_who_say_nothing_keep_nobody_out(three, ports, replay):
    address = split_address(three[0].gateway.address)
    silent = [socket.create_connection(address, 10.0) for _ in range(1100)]
    try:
        eventually(three[1].inside, ports[Role.REPLAY], b"first").close()
        # More than that many are not waited for at all.
        assert is_cut(silent[0])
    finally:
        for each in silent:
            each.close()


def test_a_host_of_the_run_reaches_only_services_that_are_there(three, keys):
    context = keys.for_host("127.0.77.2").connecting_context()
    for name in (b"actor", b"\xff" * 16, b"../replay"):
        with (
            socket.create_connection(split_address(three[0].gateway.address), 10.0) as connection,
            context.wrap_socket(connection, server_hostname="127.0.77.1") as tls,
        ):
            tls.sendall(name.ljust(16, b"\0"))
            assert is_cut(tls)


def test_the_port_is_that_of_one_address_and_the_only_one_outside(three):
    for host in three:
        listening = [
            connection.laddr
            for connection in psutil.Process(host.gateway.pid).net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert listening == [split_address(host.gateway.address)]
        assert host.gateway.address.startswith(f"{host.address}:")


def test_a_fault_is_said_once(keys, ports, capfd):
    with hosts(keys, ports, 1) as (host,):
        for _ in range(3):
            knock(host.gateway.address, None, b"GET / HTTP/1.1\r\n\r\n")
            knock(host.gateway.address, keyless(), b"")
        host.gateway.route(Role.REPLAY, "127.0.77.9:1")
        for _ in range(3):
            assert refuses(host.inside, ports[Role.REPLAY])
    printed = capfd.readouterr().err.splitlines()
    assert len(printed) == 3
    assert any("http request" in line and "127.0.0.1" in line for line in printed)
    assert any("peer did not return a certificate" in line for line in printed)
    assert any("replay cannot be reached" in line and "refused" in line for line in printed)


def test_a_gateway_without_a_private_network_listens_on_loopback(keys, ports, three, replay):
    with Gateway.start(keys.for_host("127.0.77.9"), ports, "127.0.77.9") as gateway:
        gateway.route(Role.REPLAY, three[0].gateway.address)
        with socket.create_connection(("127.0.0.1", ports[Role.REPLAY]), 10.0) as client:
            assert received(client, 5) == b"first"
        listening = {
            connection.laddr.ip
            for connection in psutil.Process(gateway.pid).net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening <= {"127.0.77.9", "127.0.0.1", "::1"}
        # A service of this host gets its port, which is free at once.
        gateway.route(Role.REPLAY, None)
        socket.create_server(("", ports[Role.REPLAY])).close()


def test_wrong_routes_are_errors(three):
    gateway = three[0].gateway
    with pytest.raises(ValueError, match="no port for the actor"):
        gateway.route(Role.ACTOR, None)
    for address in ("somewhere", "somewhere:", ":80", "10.0.0.1:http"):
        with pytest.raises(ValueError, match="not an address like host:port"):
            gateway.route(Role.REPLAY, address)


def test_a_gateway_that_cannot_listen_says_why(keys, ports):
    with pytest.raises(GatewayError, match=r"fails: .*[Cc]annot assign"):
        Gateway.start(keys.for_host("192.0.2.1"), ports, "192.0.2.1")


def test_it_ends_with_its_parent(three, keys):
    code = """
import os, sys
from quinoa.launch.engines.ray.gateway.keys import RunKeys
from quinoa.launch.engines.ray.gateway.process import Gateway
from quinoa.launch.run.roles import Role
gateway = Gateway.start(
    RunKeys.make().for_host("127.0.0.1"), {Role.REPLAY: 1}, "127.0.0.1",
    [int(number) for number in sys.argv[1].split(",")],
)
print(gateway.pid, flush=True)
sys.stdin.read()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code, ",".join(map(str, three[0].network))],
        pass_fds=three[0].network,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert parent.stdin is not None and parent.stdout is not None
    gateway = psutil.Process(int(parent.stdout.readline()))
    family = [gateway, *gateway.children()]
    assert len(family) == 2
    parent.kill()
    parent.wait()
    assert not psutil.wait_procs(family, 10.0)[1]
    parent.stdin.close()
    parent.stdout.close()


def test_nothing_is_left_when_it_is_closed(keys, ports, tmp_path):
    before = descriptors()
    with hosts(keys, ports, 1) as (host,):
        family = [process := psutil.Process(host.gateway.pid), *process.children()]
        environment = Path(f"/proc/{host.gateway.pid}/environ").read_text()
        command = " ".join(process.cmdline())
    assert not psutil.wait_procs(family, 10.0)[1]
    assert descriptors_are_back_at(before)
    for text in (environment, command):
        assert "PRIVATE KEY" not in text
