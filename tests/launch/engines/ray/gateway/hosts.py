"""Hosts for tests of the gateway: each has a private network and an address of this machine."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

import portpicker
import pytest

from quinoa.launch.engines.ray.gateway.keys import RunKeys
from quinoa.launch.engines.ray.gateway.process import Gateway
from quinoa.launch.machine import private_network
from quinoa.launch.machine.private_network import UnavailableError
from quinoa.launch.nodes.topology import SERVICES
from quinoa.launch.run.roles import Role
from tests.launch.helpers import ROOT

_MAKE_SOCKETS = """
import socket, sys
from quinoa.launch.machine import private_network
requests = socket.socket(fileno=int(sys.argv[1]))
private_network.join([int(n) for n in sys.argv[2].split(",")])
while requests.recv(1):
    with socket.socket() as made:
        socket.send_fds(requests, [b"made"], [made.fileno()])
"""


class Inside:
    """Makes this process sockets in a private network."""

    def __init__(self, network: Sequence[int]):
        self._requests, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-c", _MAKE_SOCKETS, str(other.fileno())),
                    ",".join(map(str, network)),
                ],
                pass_fds=[*network, other.fileno()],
                cwd=ROOT,
            )

    def make_socket(self) -> socket.socket:
        self._requests.send(b"?")
        _, (descriptor,), *_ = socket.recv_fds(self._requests, 16, 1)
        made = socket.socket(fileno=descriptor)
        made.settimeout(10.0)
        return made

    def connect(self, port: int) -> socket.socket:
        made = self.make_socket()
        try:
            made.connect(("127.0.0.1", port))
        except OSError:
            made.close()
            raise
        return made

    def listen(self, port: int) -> socket.socket:
        made = self.make_socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", port))
        made.listen(1024)
        return made

    def close(self) -> None:
        self._requests.close()
        self._process.wait(10)


@dataclasses.dataclass
class Host:
    """A host of a run.

    Attributes:
        address: its own, on the loopback interface of this machine.
        network: the run's private one on this host.
        inside: makes sockets in that.
        gateway: of the host.
    """

    address: str
    network: Sequence[int]
    inside: Inside
    gateway: Gateway


@contextlib.contextmanager
def hosts(keys: RunKeys, ports: Mapping[Role, int], count: int = 2) -> Iterator[list[Host]]:
    with contextlib.ExitStack() as stack:
        made = []
        for index in range(count):
            address = f"127.0.77.{index + 1}"
            try:
                network = stack.enter_context(private_network.create())
            except UnavailableError as error:
                pytest.skip(f"This machine allows no private networks: {error}")
            inside = Inside(network)
            stack.callback(inside.close)
            gateway = Gateway.start(keys.for_host(address), ports, address, network)
            stack.callback(gateway.close)
            made.append(Host(address, network, inside, gateway))
        yield made


def free_ports() -> dict[Role, int]:
    return {role: portpicker.pick_unused_port() for role in SERVICES}


class Echo:
    """A service that sends back what it gets, after a word by which it is known."""

    def __init__(self, inside: Inside, port: int, word: bytes = b""):
        self._word = word
        self._listener = inside.listen(port)
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._listener.settimeout(None)
                connection, _ = self._listener.accept()
                self.connections.append(connection)
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.sendall(self._word)
            while data := connection.recv(1 << 16):
                connection.sendall(data)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def received(connection: socket.socket, count: int) -> bytes:
    """So many bytes, or fewer if the connection ends."""
    parts = []
    while count and (part := connection.recv(min(count, 1 << 20))):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def eventually(inside: Inside, port: int, word: bytes, within_s: float = 10.0) -> socket.socket:
    """A connection on which a service says its word, tried again until it does."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            connection = inside.connect(port)
            try:
                if received(connection, len(word)) == word:
                    return connection
            except OSError:
                pass
            connection.close()
        time.sleep(0.02)
    raise AssertionError(f"No service says {word!r} at port {port}.")


def refuses(inside: Inside, port: int) -> bool:
    """Whether a connection to a port is taken and cut at once, or not taken at all."""
    try:
        with inside.connect(port) as connection:
            return is_cut(connection)
    except ConnectionError:
        return True


def is_cut(connection: socket.socket) -> bool:
    """Whether a connection ends, within its patience, although nobody here has ended it."""
    try:
        return not connection.recv(1)
    except ConnectionError:
        return True
