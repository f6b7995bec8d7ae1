from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from quinoa.launch.machine import private_network
from quinoa.launch.machine.private_network import UnavailableError
from tests.launch.helpers import ROOT, descriptors, descriptors_are_back_at

SERVER = """
import socket, sys
from quinoa.launch.machine import private_network
private_network.join([int(n) for n in sys.argv[1].split(",")])
server = socket.create_server(("", 0))
print(server.getsockname()[1], flush=True)
connection, _ = server.accept()
connection.sendall(b"hello")
sys.stdin.read()
"""

CLIENT = """
import socket, sys
from quinoa.launch.machine import private_network
private_network.join([int(n) for n in sys.argv[1].split(",")])
print(socket.create_connection(("localhost", int(sys.argv[2])), 5).recv(5).decode())
"""


@pytest.fixture
def network():
    try:
        with private_network.create() as descriptors:
            yield descriptors
    except UnavailableError as error:
        pytest.skip(f"This machine allows no private networks: {error}")


def start(code: str, network, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, ",".join(map(str, network)), *arguments],
        pass_fds=network,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def test_processes_in_it_reach_one_another_and_nobody_else_does(network):
    server = start(SERVER, network)
    assert server.stdout is not None
    port = int(server.stdout.readline())
    try:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("localhost", port), 5)
        client = start(CLIENT, network, str(port))
        assert client.communicate(timeout=20)[0] == "hello\n"
    finally:
        server.communicate(timeout=20)


def test_files_are_still_the_users(network, tmp_path):
    (tmp_path / "there").write_text("before")
    code = """
import os, sys
from quinoa.launch.machine import private_network
private_network.join([int(n) for n in sys.argv[1].split(",")])
assert open("there").read() == "before"
open("new", "w").write(str(os.getuid()))
"""
    process = subprocess.run(
        [sys.executable, "-c", code, ",".join(map(str, network))],
        pass_fds=network,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=20,
    )
    assert process.returncode == 0
    assert (tmp_path / "new").read_text() == str(os.getuid())
    assert (tmp_path / "new").stat().st_uid == os.getuid()


def test_descriptors_are_closed_in_the_end():
    before = descriptors()
    try:
        with private_network.create():
            pass
    except UnavailableError:
        pass
    assert descriptors_are_back_at(before)
