from __future__ import annotations

import os
import signal
import sys
import time

import cloudpickle
import psutil
import pytest

from quinoa.launch.engines.ray import node_host
from quinoa.launch.engines.ray.node_host import NodeHost, Task
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.helpers import experiment, wait_until

cloudpickle.register_pickle_by_value(sys.modules[__name__])
MARK = "mark"


def beats_for_ever():
    from quinoa.launch.nodes import heartbeat

    print("here", os.environ.get("OF_USER"), os.environ.get("RAY_AUTH_TOKEN"), flush=True)
    while True:
        heartbeat.beat()
        time.sleep(0.01)


def fails():
    raise ValueError("it broke")


@pytest.fixture
def run(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.logs.mkdir(parents=True)
    (folder.root / MARK).touch()
    return folder


def task(run: RunFolder, function, **environment: str) -> Task:
    return Task(
        role=Role.COUNTER,
        index=0,
        function=cloudpickle.dumps([function]),
        experiment=experiment(),
        environment={**os.environ, **environment},
        folder=run.root,
        run=run,
    )


@pytest.fixture
def start(run):
    hosts = []

    def start(function, *, lease_s: float = 60.0, mark: str = MARK, **environment: str):
        host = NodeHost(run, mark, lease_s)
        hosts.append(host)
        return host, host.start(task(run, function, **environment), [])

    yield start
    for host in hosts:
        host.kill()


def test_a_process_is_started_watched_and_ended(start, run):
    host, pid = start(beats_for_ever)
    assert wait_until(lambda: host.watch(0.0).beats > 2, timeout_s=60)
    assert host.watch(0.0).exit_code is None
    look = host.kill()
    assert look.exit_code == -signal.SIGKILL
    assert not psutil.pid_exists(pid)


def test_its_environment_is_the_users_without_the_key_to_the_cluster(start, run):
    host, _ = start(beats_for_ever, OF_USER="a setting", RAY_AUTH_TOKEN="secret")
    assert wait_until(lambda: "here" in host.log(5), timeout_s=60)
    assert host.log(5) == "here a setting None"
    assert (run.logs / "counter-0.log").read_text().strip() == "here a setting None"


def test_what_belongs_to_a_host_stays_its_own():
    of_user = {
        "CUDA_VISIBLE_DEVICES": "3",
        "DISPLAY": ":1",
        "HOME": "/home/user",
        "MUJOCO_GL": "egl",
        "PATH": "/of/user",
        "RAY_ADDRESS": "x:1",
        "SLURM_NODEID": "0",
        "XLA_FLAGS": "--xla_gpu_cuda_data_dir=/of/user",
    }
    assert node_host.carried(of_user) == {"MUJOCO_GL": "egl"}
    own = {
        # As Ray gives it to the process of a learner.
        "CUDA_VISIBLE_DEVICES": "1",
        "HOME": "/home/host",
        "MUJOCO_GL": "osmesa",
        "RAY_AUTH_TOKEN": "secret",
        "XLA_FLAGS": "--xla_gpu_cuda_data_dir=/of/host",
    }
    assert node_host.on_host(of_user, own) == {
        "CUDA_VISIBLE_DEVICES": "1",
        "HOME": "/home/host",
        "MUJOCO_GL": "egl",
        "XLA_FLAGS": "--xla_gpu_cuda_data_dir=/of/host",
    }


def test_where_the_runs_folder_is_not_there_the_log_is_the_hosts_own(start, run):
    host, _ = start(beats_for_ever, mark="another")
    assert wait_until(lambda: "here" in host.log(5), timeout_s=60)
    assert not list(run.logs.iterdir())
    # With the process its log goes too, but for its end.
    assert host.kill().failure.startswith("here")
    assert host.log(5) == ""


def test_why_it_failed_is_told(start):
    host, _ = start(fails)
    look = host.watch(60.0)
    assert look.exit_code == 1
    assert look.failure.splitlines()[-1] == "ValueError: it broke"


def test_a_host_that_nobody_asks_ends_its_process(start):
    """It is cut off: the node is started elsewhere, and must not run twice."""
    host, pid = start(beats_for_ever, lease_s=1.0)
    assert wait_until(lambda: host.watch(0.2).beats > 0, timeout_s=60)
    asked_until = time.monotonic() + 2.0
    while time.monotonic() < asked_until:
        assert host.watch(0.1).exit_code is None
    assert wait_until(lambda: not psutil.pid_exists(pid), timeout_s=10)
    assert host.watch(0.0).exit_code == -signal.SIGKILL
