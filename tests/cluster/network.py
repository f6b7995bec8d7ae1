"""Programs for hosts that measure what is between them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from tests.cluster.hosts import Host

PORT = 9000

_SERVER = """
import socket

def serve(connection):
    while data := connection.recv(1 << 20):
        # An answer to each line, and to nothing else.
        connection.sendall(b"y" * data.count(b"\\n"))

listener = socket.create_server(("", {port}))
print("up", flush=True)
while True:
    with listener.accept()[0] as connection:
        serve(connection)
"""

_CLIENT = """
import socket, sys, time
seconds, payload = float(sys.argv[2]), b"x" * int(sys.argv[3]) + b"\\n"
with socket.create_connection((sys.argv[1], {port}), timeout=seconds) as connection:
    connection.settimeout(seconds)
    start = time.perf_counter()
    connection.sendall(payload)
    assert connection.recv(1)
    print(time.perf_counter() - start)
"""


@contextlib.contextmanager
def server(host: Host) -> Iterator[None]:
    """A server on a host that answers each line, one connection after another."""
    process = host.popen([sys.executable, "-c", _SERVER.format(port=PORT)])
    try:
        assert process.line() == "up"
        yield
    finally:
        process.kill()
        process.communicate()


def seconds_to(client: Host, host: Host, size: int = 0, timeout: float = 10) -> float:
    """How long a host waits for the answer of another's `server`.

    Args:
        client: the one that asks.
        host: the one with the server.
        size: how many bytes it sends.
        timeout: when it gives up, in seconds.

    Raises:
        AssertionError: there was no answer.
    """
    words = [sys.executable, "-c", _CLIENT.format(port=PORT), host.address, str(timeout), str(size)]
    return float(client.run(words).stdout)
