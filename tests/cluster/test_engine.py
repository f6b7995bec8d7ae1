"""Runs of the Ray engine over several hosts, which lose hosts and links while they last."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from quinoa.launch.run import process_list
from quinoa.launch.run.process_list import ListedNode, NodeState
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json
from tests.cluster.hosts import Host
from tests.cluster.machine import MachineProcess
from tests.cluster.ray_hosts import RayHosts
from tests.launch.helpers import ROOT, learner_steps, wait_until

QUINOA = Path(sys.executable).parent / "quinoa"
# A task of few steps, with small networks, on hosts that share two cores.
SMALL = (
    "--env=tests.launch.factories:match",
    "--set=hidden_sizes=16,16",
    "--learner_threads=1",
    "--actor_cpus=0.5",
    "--host_timeout=8",
    "--require_private",
)


@pytest.fixture(scope="module")
def shared():
    """A folder that all hosts have, as by a common file system."""
    made = Path(tempfile.mkdtemp(prefix="quinoa-shared-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def cluster(_needs_ray, shared):
    """Three hosts with Ray: the head is too small for more than the services of a run."""
    with RayHosts(3, cpus=4, disk_mb=3000, share=[shared]) as made:
        yield made


@pytest.fixture
def patient_cluster(_needs_ray, shared):
    """The same, of which Ray gives up no host within the time that a link is cut here."""
    with RayHosts(3, cpus=4, disk_mb=3000, share=[shared], system_config={}) as made:
        yield made


def train(host: Host, folder: Path, *flags: str) -> MachineProcess:
    return host.popen([QUINOA, "train", "--engine=ray", *SMALL, f"--folder={folder}", *flags])


def nodes_of(folder: Path) -> dict[str, ListedNode]:
    return {node.name: node for node in process_list.read(RunFolder(folder).processes).nodes}


def supervisor_of(folder: Path) -> str:
    """The host of the process that supervises a run."""
    engine = process_list.read(RunFolder(folder).processes).engine
    assert engine is not None
    return engine.host


def events_of(folder: Path) -> list[dict[str, object]]:
    path = RunFolder(folder).events
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def all_running(folder: Path) -> bool:
    nodes = nodes_of(folder)
    return bool(nodes) and all(node.state is NodeState.RUNNING for node in nodes.values())


def end_of(process: MachineProcess, timeout_s: float = 200.0) -> str:
    """Waits for a command's end, which must be a good one; returns what it printed."""
    out, err = process.communicate(timeout=timeout_s)
    assert process.returncode == 0, out + err
    return out


def test_a_run_is_spread_over_hosts_and_every_host_can_ask_for_it(cluster):
    head, other = cluster["h1"], cluster["h2"]
    # On the disk of one host: what needs the folder stays there, and actors go elsewhere.
    folder, seen = Path("/tmp/run"), head.path("/tmp/run")
    training = train(head, folder, "--steps=100000000", "--num_actors=3")
    assert wait_until(lambda: learner_steps(seen) > 0 and all_running(seen), 180)
    nodes = nodes_of(seen)
    assert {nodes[name].host for name in ("learner-0", "replay-0", "counter-0")} == {"h1"}
    assert len({node.host for node in nodes.values()}) >= 2
    assert "host" in head.run([QUINOA, "status", folder, "--once"]).stdout

    # From a host that does not have the folder.
    away = next(node for node in nodes.values() if node.host != "h1")
    logs = other.run([QUINOA, "logs", folder, "--lines=2", f"--node={away.name}"])
    assert f"--- {away.name}" in logs.stdout
    other.run([QUINOA, "scale", folder, "--num_actors=4"])
    assert wait_until(lambda: "actor-3" in nodes_of(seen) and all_running(seen), 60)
    other.run([QUINOA, "scale", folder, "--num_actors=1"])
    assert wait_until(
        lambda: [name for name in nodes_of(seen) if name.startswith("actor")] == ["actor-0"], 60
    )
    attached = other.popen([QUINOA, "train", f"--attach={folder}"])
    assert "Training iq on tests.launch.factories:match" in attached.line()
    attached.terminate()
    assert "To come back to it" in end_of(attached)
    other.run([QUINOA, "stop", folder])
    assert "Stopped early." in end_of(training)
    assert list((seen / "checkpoints").iterdir())


def ports_of(host: Host) -> list[str]:
    """The addresses on which anything of a host listens for others."""
    listed = host.run(["ss", "-Hltn"]).stdout.splitlines()
    local = [line.split()[3].rpartition(":") for line in listed]
    return [
        f"{host.address}:{port}"
        for address, _, port in local
        if not address.strip("[]").startswith(("127.", "::1"))
    ]


# Prints the port of a Courier server that anyone can call.
OPEN_COURIER = """
import courier, time
server = courier.Server(name="open")
server.Bind("report", lambda argument: None)
server.Start()
print(server.port, flush=True)
time.sleep(600)
"""


def attack(stranger: Host, ports: Sequence[str]) -> str:
    """Tries what a stranger can on ports; returns which gave an answer."""
    program = Path(__file__).parent / "attacker.py"
    without = {"RAY_AUTH_TOKEN": None, "RAY_AUTH_MODE": None, "PYTHONPATH": str(ROOT)}
    tried = stranger.run([sys.executable, program, "/tmp/ran", *ports], env=without, timeout=200)
    return tried.stdout


def test_a_stranger_reaches_nothing_of_a_run(cluster):
    head, stranger = cluster["h1"], cluster["h3"]
    folder, seen = Path("/tmp/run"), head.path("/tmp/run")
    training = train(head, folder, "--steps=100000000", "--num_actors=2")
    assert wait_until(lambda: learner_steps(seen) > 0 and all_running(seen), 180)
    ports = [port for host in cluster for port in ports_of(host)]
    assert len(ports) > len(cluster)
    # On a host of the network, in none of the run's private ones, and without the token.
    assert attack(stranger, ports) == ""
    assert not [host.name for host in cluster if host.path("/tmp/ran").exists()]
    # The same works where Courier itself can be reached.
    with cluster["h2"].popen([sys.executable, "-c", OPEN_COURIER]) as server:
        attack(stranger, [f"{cluster['h2'].address}:{server.line().strip()}"])
        server.kill()
    assert cluster["h2"].path("/tmp/ran").is_dir()
    # The run has not suffered.
    before = learner_steps(seen)
    assert wait_until(lambda: learner_steps(seen) > before, 60)
    assert not [event for event in events_of(seen) if event["event"] == "failed"]
    head.run([QUINOA, "stop", folder])
    assert "Stopped early." in end_of(training)


def test_actors_of_a_lost_host_start_elsewhere(cluster, shared):
    # Besides the head, the host of the services and that of the supervisor.
    cluster.add()
    folder = shared / "lost_actors"
    training = train(cluster["h1"], folder, "--steps=100000000", "--num_actors=4")
    assert wait_until(lambda: learner_steps(folder) > 0 and all_running(folder), 180)
    services = {nodes_of(folder)[name].host for name in ("learner-0", "replay-0", "counter-0")}
    lost = next(
        node.host
        for node in nodes_of(folder).values()
        if node.host not in {*services, "h1", supervisor_of(folder)} and node.host is not None
    )
    there = {name for name, node in nodes_of(folder).items() if node.host == lost}
    cluster[lost].kill()
    assert wait_until(
        lambda: (
            all_running(folder) and not any(node.host == lost for node in nodes_of(folder).values())
        ),
        120,
    )
    failed = {event["node"] for event in events_of(folder) if event["event"] == "failed"}
    assert failed == there
    before = learner_steps(folder)
    assert wait_until(lambda: learner_steps(folder) > before, 60)
    cluster["h1"].run([QUINOA, "stop", folder])
    assert "Stopped early." in end_of(training)


def test_a_run_survives_the_host_of_its_supervisor_where_the_folder_is_shared(cluster, shared):
    folder = shared / "lost_supervisor"
    flags = ("--checkpoint_period=2", "--replay_checkpoint_period=2")
    training = train(cluster["h2"], folder, "--steps=20000", "--num_actors=2", *flags)
    checkpoints = RunFolder(folder).checkpoints
    assert wait_until(lambda: checkpoints.is_dir() and any(checkpoints.iterdir()), 180)
    before = learner_steps(folder)
    assert supervisor_of(folder) == "h2"
    cluster["h2"].kill()
    training.wait(30)
    attached = cluster["h1"].popen([QUINOA, "train", f"--attach={folder}"])
    assert "Return of the final policy" in end_of(attached)
    assert learner_steps(folder) > before
    assert read_json(RunFolder(folder).result)["outcome"] == "finished"


def test_a_run_that_has_ended_is_not_resumed_when_the_host_of_its_supervisor_is_lost(
    cluster, shared
):
    folder = shared / "ended"
    ended = end_of(train(cluster["h2"], folder, "--steps=3000", "--num_actors=1"))
    assert supervisor_of(folder) == "h2"
    files = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    cluster["h2"].kill()
    attached = cluster["h1"].popen([QUINOA, "train", f"--attach={folder}"])
    told = end_of(attached)
    (returned,) = (line for line in ended.splitlines() if "Return of the final policy" in line)
    assert returned in told.splitlines()
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert after == files


def test_a_host_whose_link_was_cut_for_less_than_its_time_loses_nothing(patient_cluster, shared):
    folder = shared / "cut"
    flags = ("--steps=100000000", "--num_actors=2", "--host_timeout=30")
    training = train(patient_cluster["h1"], folder, *flags)
    assert wait_until(lambda: learner_steps(folder) > 0 and all_running(folder), 180)
    host = nodes_of(folder)["replay-0"].host
    assert host is not None
    patient_cluster[host].cut()
    # Longer than a question to a host waits for its answer.
    time.sleep(12)
    patient_cluster[host].mend()
    before = learner_steps(folder)
    assert wait_until(lambda: learner_steps(folder) > before, 60)
    assert not [event for event in events_of(folder) if event["event"] == "failed"]
    patient_cluster["h1"].run([QUINOA, "stop", folder])
    assert "Stopped early." in end_of(training)


def test_processes_whose_network_is_lost_are_started_in_another(cluster, shared):
    folder = shared / "lost_network"
    training = train(cluster["h1"], folder, "--steps=100000000", "--num_actors=2")
    assert wait_until(lambda: learner_steps(folder) > 0 and all_running(folder), 180)
    host = nodes_of(folder)["replay-0"].host
    assert host is not None
    there = {name for name, node in nodes_of(folder).items() if node.host == host}
    cluster[host].run(["pkill", "--signal=KILL", "--full", "^ray::HostAgent"])
    assert wait_until(
        lambda: {event["node"] for event in events_of(folder) if event["event"] == "back"} >= there,
        120,
    )
    before = learner_steps(folder)
    assert wait_until(lambda: learner_steps(folder) > before and all_running(folder), 120)
    cluster["h2"].run([QUINOA, "stop", folder])
    assert "Stopped early." in end_of(training)
