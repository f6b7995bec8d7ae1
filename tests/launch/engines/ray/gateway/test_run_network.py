from __future__ import annotations

import subprocess
import sys

import pytest

from quinoa.launch.machine import private_network
from quinoa.launch.machine.private_network import UnavailableError
from tests.launch.helpers import ROOT

# In a process of its own, since it forks.
CODE = """
import errno, os, socket, sys
from quinoa.launch.engines.ray.gateway.run_network import RunNetwork

network = RunNetwork([int(number) for number in sys.argv[1].split(",") if number])
with socket.create_server(("127.0.0.1", 0)) as outside, network.make_socket(socket.AF_INET) as made:
    made.setblocking(True)
    port = outside.getsockname()[1]
    print(made.connect_ex(("127.0.0.1", port)) == (errno.ECONNREFUSED if sys.argv[1] else 0))
try:
    network.make_socket(socket.AF_APPLETALK)
except OSError as error:
    print(errno.errorcode[error.errno])
"""


@pytest.fixture(params=["private", "the host's own"])
def network(request):
    if request.param != "private":
        yield ()
        return
    try:
        with private_network.create() as descriptors:
            yield descriptors
    except UnavailableError as error:
        pytest.skip(f"This machine allows no private networks: {error}")


def test_sockets_are_of_the_network_and_what_the_kernel_has_not_is_the_same_error(network):
    done = subprocess.run(
        [sys.executable, "-c", CODE, ",".join(map(str, network))],
        pass_fds=network,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        check=True,
        timeout=30,
    )
    assert done.stdout.split() == ["True", "EAFNOSUPPORT"]
