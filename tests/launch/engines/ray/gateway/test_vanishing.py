"""What becomes of connections whose other host is not reached any more; takes 15 s and more."""

from __future__ import annotations

import subprocess
import sys

import pytest

from quinoa.launch.machine import private_network
from quinoa.launch.machine.private_network import UnavailableError
from tests.launch.helpers import ROOT

CODE = """
import fcntl, socket, struct, sys, time

from quinoa.launch.machine import private_network
private_network.join([int(number) for number in sys.argv[1].split(",")])

from quinoa.launch.engines.ray.gateway.keys import RunKeys
from quinoa.launch.run.roles import Role
from tests.launch.engines.ray.gateway.hosts import (
    Echo, eventually, free_ports, hosts, is_cut, received
)

def switch(up):
    # SIOCSIFFLAGS
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh22x", b"lo", 1 if up else 0))

ports = free_ports()
with hosts(RunKeys.make(), ports) as (here, there):
    here.gateway.route(Role.REPLAY, None)
    there.gateway.route(Role.REPLAY, here.gateway.address)
    port = ports[Role.REPLAY]
    service = Echo(here.inside, port, b"first")
    idle, busy = (eventually(there.inside, port, b"first") for _ in range(2))
    switch(up=False)
    start = time.monotonic()
    busy.sendall(b"lost")
    for each in (idle, busy):
        each.settimeout(40.0)
        assert is_cut(each)
    while any(each.fileno() != -1 for each in service.connections):
        assert time.monotonic() < start + 40.0
        time.sleep(0.1)
    print(time.monotonic() - start)
    switch(up=True)
    eventually(there.inside, port, b"first").close()
    service.close()
"""


@pytest.mark.slow
def test_a_host_that_vanishes_is_noticed_in_15_s_and_found_again_when_it_is_back():
    try:
        with private_network.create() as network:
            done = subprocess.run(
                [sys.executable, "-c", CODE, ",".join(map(str, network))],
                pass_fds=network,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                check=True,
                timeout=120,
            )
    except UnavailableError as error:
        pytest.skip(f"This machine allows no private networks: {error}")
    assert 10.0 < float(done.stdout) < 25.0
