from __future__ import annotations

import dataclasses
import os
import signal
import sys
import time
from pathlib import Path

import cloudpickle
import psutil
import pytest

from quinoa.launch.engines.local import warm_parent
from quinoa.launch.engines.ray import host_processes
from quinoa.launch.engines.ray.host_processes import HostedRun, HostProcesses
from quinoa.launch.engines.ray.hosted_process import Look, Task
from quinoa.launch.nodes.exit_codes import TOLD_TO_STOP
from quinoa.launch.run.roles import Role, node_name
from quinoa.launch.run.run_folder import RunFolder
from tests.launch import forked
from tests.launch.helpers import ROOT, experiment, has_tensorflow, wait_until

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


class OneHost:
    """A host, and the names of the processes that were started there."""

    def __init__(self, run: RunFolder, *, lease_s: float, mark: str, environment: dict[str, str]):
        # Without the name of the current test, which pytest keeps in a variable.
        own = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST")}
        hosted = HostedRun(
            experiment(),
            environment={**own, **environment},
            folder=ROOT,
            run=run,
            mark=mark,
            lease_s=lease_s,
        )
        self.processes = HostProcesses(hosted, ())
        self.keys: list[str] = []

    def start(self, function, role: Role = Role.COUNTER, index: int = 0) -> str:
        key = f"{node_name(role, index)} {len(self.keys)}"
        self.keys.append(key)
        self.processes.start(Task(key, role, index, cloudpickle.dumps([function])))
        return key

    def look(self, key: str, seconds: float = 0.0) -> Look:
        return self.processes.look([key], seconds).processes[key]

    def beats(self, *keys: str) -> bool:
        """Waits until each of some processes has given a sign of life; asks for all meanwhile."""

        def have_beaten() -> bool:
            looks = self.processes.look(keys, 0.0).processes
            return all(looks[key].beats > 0 for key in keys)

        return wait_until(have_beaten, timeout_s=60)


def made_run(root: Path) -> RunFolder:
    folder = RunFolder(root)
    folder.logs.mkdir(parents=True)
    (folder.root / MARK).touch()
    return folder


@pytest.fixture
def run(tmp_path):
    return made_run(tmp_path / "run")


@pytest.fixture
def make(run):
    made = []

    def make(*, lease_s: float = 60.0, mark: str = MARK, **environment: str) -> OneHost:
        made.append(OneHost(run, lease_s=lease_s, mark=mark, environment=environment))
        return made[-1]

    yield make
    for host in made:
        host.processes.close()


@pytest.fixture(scope="module", autouse=True)
def warm_parents_are_forked():
    """And so there at once: each host has its own, as ever."""
    with forked.starting(warm_parent):
        yield


@pytest.fixture(scope="module")
def host_of_the_module(tmp_path_factory):
    run = made_run(tmp_path_factory.mktemp("shared") / "run")
    host = OneHost(run, lease_s=600.0, mark=MARK, environment={})
    yield host
    host.processes.close()


@pytest.fixture
def shared(host_of_the_module):
    """A host for a test that needs none of its own: to start one takes seconds."""
    before = len(host_of_the_module.keys)
    yield host_of_the_module
    for key in host_of_the_module.keys[before:]:
        host_of_the_module.processes.kill(key)


def test_a_process_is_started_watched_and_ended(shared):
    key = shared.start(beats_for_ever)
    assert shared.beats(key)
    look = shared.look(key)
    assert look.exit_code is None and psutil.pid_exists(look.pid)
    assert shared.processes.kill(key).exit_code == -signal.SIGKILL
    assert not psutil.pid_exists(look.pid)
    # Nothing is known of it afterwards, and so it does not run.
    assert shared.look(key).exit_code == -signal.SIGKILL


def test_many_are_looked_at_together_and_the_end_of_one_is_told_at_once(shared):
    keys = [shared.start(beats_for_ever, index=index) for index in range(2)]
    assert shared.beats(*keys)
    os.kill(shared.look(keys[0]).pid, signal.SIGKILL)
    looks = shared.processes.look(keys, 60.0).processes
    assert [looks[key].exit_code for key in keys] == [-signal.SIGKILL, None]


def test_a_second_request_for_a_process_starts_no_other(shared):
    key = shared.start(beats_for_ever)
    assert shared.beats(key)
    pid = shared.look(key).pid
    shared.processes.start(Task(key, Role.COUNTER, 0, cloudpickle.dumps([fails])))
    assert shared.look(key).pid == pid


def test_its_environment_is_the_users_without_the_key_to_the_cluster(make, run):
    host = make(OF_USER="a setting", RAY_AUTH_TOKEN="secret")
    key = host.start(beats_for_ever)
    assert host.beats(key)
    assert host.processes.logs(5) == {"counter-0": "here a setting None"}
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
    assert host_processes.carried(of_user) == {"MUJOCO_GL": "egl"}
    own = {
        "CUDA_VISIBLE_DEVICES": "1",
        "HOME": "/home/host",
        "MUJOCO_GL": "osmesa",
        "RAY_AUTH_TOKEN": "secret",
        "XLA_FLAGS": "--xla_gpu_cuda_data_dir=/of/host",
    }
    assert host_processes.on_host(of_user, own) == {
        "CUDA_VISIBLE_DEVICES": "1",
        "HOME": "/home/host",
        "MUJOCO_GL": "egl",
        "XLA_FLAGS": "--xla_gpu_cuda_data_dir=/of/host",
    }


def shows_its_gpus():
    print("GPUs", os.environ["CUDA_VISIBLE_DEVICES"], flush=True)


def test_a_learner_has_the_gpus_that_ray_has_given_it(make, monkeypatch):
    # As in a Ray worker that has none.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    host = make()
    task = Task(
        "learner-0 0",
        Role.LEARNER,
        0,
        cloudpickle.dumps([shows_its_gpus]),
        {"CUDA_VISIBLE_DEVICES": "1"},
    )
    host.processes.start(task)
    assert host.look(task.key, 60.0).exit_code == 0
    assert host.processes.logs(1) == {"learner-0": "GPUs 1"}


def test_where_the_runs_folder_is_not_there_the_log_is_the_hosts_own(make, run):
    host = make(mark="another")
    key = host.start(beats_for_ever)
    assert host.beats(key)
    assert host.processes.logs(5)["counter-0"].startswith("here")
    assert not list(run.logs.iterdir())
    # Of one that was ended, its end brings the end of the log.
    assert host.processes.kill(key).failure.startswith("here")
    assert host.processes.logs(5) == {}


def test_why_it_failed_is_told(shared):
    look = shared.look(shared.start(fails), 60.0)
    assert look.exit_code == 1
    assert look.failure.splitlines()[-1] == "ValueError: it broke"


def test_one_that_cannot_be_started_has_failed_as_one_that_the_machine_has_killed(make, run):
    host = make()
    host.processes._starter = dataclasses.replace(host.processes._starter, folder=Path("/nowhere"))
    look = host.look(host.start(beats_for_ever), 60.0)
    assert look.exit_code == -signal.SIGKILL
    assert look.failure.startswith("counter-0 cannot be started") and "/nowhere" in look.failure


def test_what_nobody_asks_for_ends(make):
    """The host is cut off: the node is started elsewhere, and must not run twice."""
    host = make(lease_s=3.0)
    asked, other = (host.start(beats_for_ever, index=index) for index in range(2))
    assert host.beats(asked, other)
    pid = host.look(other).pid
    asked_until = time.monotonic() + 4.0
    while time.monotonic() < asked_until:
        assert host.look(asked, 0.1).exit_code is None
    assert wait_until(lambda: not psutil.pid_exists(pid), timeout_s=10)
    assert host.look(other).exit_code == -signal.SIGKILL


def test_those_that_use_tensorflow_are_forked_from_one_warm_parent_of_the_host(make):
    """Where it is lost, processes start all the same, and it is told once."""
    host = make()
    actors = [host.start(beats_for_ever, Role.ACTOR, index) for index in range(2)]
    counter = host.start(beats_for_ever)
    assert host.beats(*actors, counter)
    for key in (*actors, counter):
        process = psutil.Process(host.look(key).pid)
        # As if it had been executed here.
        assert process.ppid() == os.getpid()
        # The function itself imports no TensorFlow: each was forked from a warm parent.
        assert has_tensorflow(process)
    os.kill(host.processes._starter.warm.pid, signal.SIGKILL)
    later = [host.start(beats_for_ever, Role.ACTOR, index) for index in (2, 3)]
    notes: list[str] = []

    def has_all() -> bool:
        looks = host.processes.look([*actors, *later], 0.0)
        notes.extend(looks.notes)
        return all(look.beats for look in looks.processes.values())

    assert wait_until(has_all, timeout_s=90)
    (note,) = notes
    assert note.startswith("The process that nodes are forked from is lost")


def test_one_that_is_stopped_while_it_is_being_started_does_not_run(make):
    host = make()
    # Until it answers nothing is forked.
    os.kill(host.processes._starter.warm.pid, signal.SIGSTOP)
    stopped, killed = (host.start(beats_for_ever, Role.ACTOR, index) for index in range(2))
    assert host.look(stopped) == Look()
    host.processes.terminate(stopped)
    assert host.look(stopped).exit_code == TOLD_TO_STOP
    host.processes.kill(killed)
    assert warm_parent.NODE_MAIN not in " ".join(
        " ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)
    )
    os.kill(host.processes._starter.warm.pid, signal.SIGCONT)
    last = host.start(beats_for_ever, Role.ACTOR, 2)
    assert host.beats(last)
    running = [
        child
        for child in psutil.Process().children(recursive=True)
        if warm_parent.NODE_MAIN in " ".join(child.cmdline())
    ]
    assert [child.pid for child in running] == [host.look(last).pid]
