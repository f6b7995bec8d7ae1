from __future__ import annotations

import os
import signal
import socket

import portpicker
import pytest

from quinoa.launch.engines.ray.gateway.keys import RunKeys
from quinoa.launch.engines.ray.host_agent import HostAgent
from quinoa.launch.engines.ray.host_processes import HostedRun
from quinoa.launch.nodes.topology import SERVICES
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.helpers import ROOT, experiment, wait_until

HOST = "127.0.0.1"


def is_listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) == 0


@pytest.fixture
def ports():
    return {role: portpicker.pick_unused_port() for role in SERVICES}


@pytest.fixture
def agent(ports, tmp_path):
    run = RunFolder(tmp_path)
    hosted = HostedRun(experiment(), os.environ, folder=ROOT, run=run, mark="mark", lease_s=60.0)
    made = HostAgent(RunKeys.make().for_host(HOST), ports, HOST, hosted)
    yield made
    made.close()


def test_a_gateway_that_has_ended_is_replaced_by_one_that_knows_the_routes(agent, ports):
    opened = agent.open(private=False)
    assert opened.why_not_private is None
    agent.route(1, {Role.LEARNER: f"{HOST}:9"})
    first = agent._gateway
    os.kill(first.pid, signal.SIGKILL)
    assert wait_until(lambda: first.exit_code is not None, 10)
    second = agent.gateway()
    assert second != opened.gateway
    assert agent.gateway() == second
    assert wait_until(lambda: is_listening(ports[Role.LEARNER]), 10)
    # That of the first is closed.
    assert first._control.fileno() == -1


def test_older_routes_that_come_later_are_ignored(agent, ports):
    agent.open(private=False)
    agent.route(2, {Role.LEARNER: f"{HOST}:9"})
    agent.route(1, {Role.LEARNER: None, Role.REPLAY: f"{HOST}:9"})
    assert is_listening(ports[Role.LEARNER])
    assert not is_listening(ports[Role.REPLAY])
