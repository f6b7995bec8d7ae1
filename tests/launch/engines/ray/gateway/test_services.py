from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import courier
import numpy as np
import pytest
import reverb

from quinoa.launch.engines.ray.gateway.keys import RunKeys
from quinoa.launch.engines.ray.gateway.process import Gateway
from quinoa.launch.run.roles import Role
from tests.launch.engines.ray.gateway.hosts import Host, free_ports, hosts
from tests.launch.engines.ray.gateway.service_process import attack
from tests.launch.helpers import ROOT

HERE = "127.0.78.1"
ROLES = (Role.REPLAY, Role.LEARNER)


def start(task: str, network: Sequence[int], *arguments: str) -> subprocess.Popen[str]:
    module = "tests.launch.engines.ray.gateway.service_process"
    return subprocess.Popen(
        [sys.executable, "-m", module, task, ",".join(map(str, network)), *arguments],
        pass_fds=network,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


class Run(NamedTuple):
    """A run whose services are on another host, while this process is on a host without them."""

    ports: Mapping[Role, int]
    other: Host


@pytest.fixture(scope="module")
def run():
    keys, ports = RunKeys.make(), free_ports()
    with hosts(keys, ports, 1) as (other,), contextlib.ExitStack() as stack:
        process = start("serve", other.network, *(str(ports[role]) for role in ROLES))
        stack.enter_context(process)
        stack.callback(process.kill)
        here = stack.enter_context(Gateway.start(keys.for_host(HERE), ports, HERE))
        for role in ROLES:
            other.gateway.route(role, None)
            here.route(role, other.gateway.address)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Run(ports, other)


def test_reverb_takes_and_gives_items_through_gateways(run):
    client = reverb.Client(f"localhost:{run.ports[Role.REPLAY]}")
    rows = np.random.default_rng(0).standard_normal((20, 64, 42)).astype(np.float32)
    with client.trajectory_writer(num_keep_alive_refs=1) as writer:
        for row in rows:
            writer.append({"row": row})
            writer.create_item("queue", 1.0, {"row": writer.history["row"][-1]})
        writer.flush()
    samples = list(client.sample("queue", num_samples=20, emit_timesteps=False))
    # With one key, the data is a list of it alone.
    np.testing.assert_array_equal(np.stack([np.asarray(s.data[0]) for s in samples]), rows)


def test_courier_answers_through_gateways(run):
    client = courier.Client(f"localhost:{run.ports[Role.LEARNER]}", call_timeout=20.0)
    np.testing.assert_array_equal(client.count_to(75_000), np.arange(75_000, dtype=np.float32))


def test_a_pickle_from_a_stranger_is_not_unpickled(run, tmp_path):
    refused, ran = tmp_path / "refused", tmp_path / "ran"
    with pytest.raises(Exception, match=r"Deadline|DEADLINE"):
        attack(run.other.gateway.address, str(refused), 2.0)
    # The same runs where Courier gets it.
    address = f"localhost:{run.ports[Role.LEARNER]}"
    with start("attack", run.other.network, address, str(ran)) as direct:
        answer, _ = direct.communicate(timeout=30)
    # What it gives cannot be counted to.
    assert "Python exception was raised on the server" in answer
    assert ran.is_dir()
    assert not refused.exists()
    # And the services are still there for the run.
    assert courier.Client(address, call_timeout=20.0).count_to(3).tolist() == [0, 1, 2]
