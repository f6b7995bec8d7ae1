"""`deploy/slurm/quinoa.sbatch` on a real Slurm."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from quinoa.launch.run import process_list
from quinoa.launch.run.run_folder import RunFolder
from tests.cluster import slurm as slurm_hosts
from tests.cluster.hosts import Hosts
from tests.cluster.machine import ROOT
from tests.cluster.slurm import Slurm
from tests.launch.helpers import wait_until

# Each starts Ray on three hosts, once or twice.
pytestmark = pytest.mark.timeout(900)

SCRIPT = ROOT / "deploy" / "slurm" / "quinoa.sbatch"

# Stands for `quinoa`: a program that counts on all hosts of a Ray cluster and saves the count. It
# takes the flags that the script hands on.
_COUNTER = """
import json, pathlib, signal, socket, sys, time
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

flags = dict(word.removeprefix("--").partition("=")[::2] for word in sys.argv[2:])
assert sys.argv[1] == "train" and flags["engine"] == "ray", sys.argv
resumed = "resume" in flags
assert resumed == ("resume_replay" in flags), sys.argv
run = pathlib.Path(flags["resume" if resumed else "folder"])
if not resumed:
    run.mkdir(parents=True)
    (run / "experiment.json").write_text(json.dumps({"steps": int(flags["steps"])}))
steps = json.loads((run / "experiment.json").read_text())["steps"]
done = int((run / "done").read_text()) if (run / "done").exists() else 0
print(f"begins at {done}", flush=True)
stopping = []
ray.init(flags["ray_address"], log_to_driver=False)
# After Ray's own.
signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))

@ray.remote(num_cpus=0)
def name():
    return socket.gethostname()

nodes = [On(node["NodeID"], soft=False) for node in ray.nodes() if node["Alive"]]
while done < steps and not stopping:
    hosts = ray.get([name.options(scheduling_strategy=node).remote() for node in nodes])
    done += 1
    (run / "hosts").write_text(" ".join(sorted(hosts)))
    (run / "done.new").write_text(str(done))
    (run / "done.new").rename(run / "done")
    time.sleep(0.1)
outcome = "finished" if done == steps else "stopped"
(run / "result.json").write_text(json.dumps({"outcome": outcome}))
print(f"{outcome} at {done}", flush=True)
"""


@pytest.fixture(scope="module")
def hosts(_needs_ray):
    reason = slurm_hosts.why_not()
    if reason is not None:
        pytest.skip(reason)
    with Hosts(3) as made:
        yield made


@pytest.fixture(scope="module")
def slurm(hosts):
    return Slurm(hosts)


@pytest.fixture(scope="module")
def counter(hosts) -> str:
    """A PATH on which `quinoa` is the counter."""
    bin = hosts.shared / "bin"
    bin.mkdir()
    (bin / "counter.py").write_text(_COUNTER)
    real = Path(sys.executable).parent
    for name, command in {
        "python": f"{real}/python",
        "ray": f"{real}/ray",
        "quinoa": f"{real}/python {bin}/counter.py",
    }.items():
        (bin / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (bin / name).chmod(0o755)
    return f"{bin}:/usr/sbin:/usr/bin:/sbin:/bin"


def submit(slurm, run: Path, path: str, *flags: str, options: str = "") -> int:
    options = f"--nodes=3 --cpus-per-task=2 --output={run}.log {options}"
    # Each host of the tests has a home of its own, as on some clusters.
    return slurm.submit(SCRIPT, str(run), *flags, options=options, env={"PATH": path})


def wait_for(slurm, job: int, state: str, run: Path, timeout_s: float = 120) -> None:
    assert wait_until(lambda: slurm.state(job) == state, timeout_s), (slurm.state(job), log_of(run))


def done(run: Path) -> int:
    return int((run / "done").read_text()) if (run / "done").exists() else 0


def test_a_run_uses_all_hosts_of_its_job_and_leaves_nothing_on_them(slurm, hosts, counter):
    run = hosts.shared / "whole"
    job = submit(slurm, run, counter, "--steps=5")
    wait_for(slurm, job, "COMPLETED", run)
    assert (run / "hosts").read_text() == "h1 h2 h3"
    assert json.loads((run / "result.json").read_text()) == {"outcome": "finished"}
    for host in hosts:
        assert "raylet" not in host.run("cat /proc/[0-9]*/comm", check=False).stdout
    # Submitted again, it says that there is nothing to do.
    job = submit(slurm, run, counter, "--steps=5")
    wait_for(slurm, job, "COMPLETED", run)
    assert f"{run} is finished" in log_of(run)


def test_a_job_that_is_requeued_resumes_its_run(slurm, hosts, counter):
    run = hosts.shared / "requeued"
    job = submit(slurm, run, counter, "--steps=300")
    assert wait_until(lambda: done(run) >= 20)
    slurm.run(f"scontrol requeue {job}")
    assert wait_until(lambda: slurm.state(job) == "PENDING")
    # Slurm waits for two minutes before it starts a job again.
    slurm.run(f"scontrol update job={job} StartTime=now")
    wait_for(slurm, job, "COMPLETED", run)
    first, second = begins(run)
    assert first == 0 and second >= 20 and "finished at 300" in log_of(run)


def test_a_run_whose_time_is_up_saves_and_is_resumed_by_the_same_job(slurm, hosts, counter):
    run = hosts.shared / "long"
    # Slurm looks at the time once in half a minute or so.
    job = submit(slurm, run, counter, "--steps=1000", options="--time=2 --signal=B:USR1@60")
    assert wait_until(lambda: done(run) >= 20)
    assert wait_until(lambda: slurm.state(job) == "PENDING", 180), log_of(run)
    log = log_of(run)
    assert f"stopped at {done(run)}" in log and "The time is up: queued again" in log, log
    saved = done(run)
    (run / "experiment.json").write_text(json.dumps({"steps": saved + 5}))
    slurm.run(f"scontrol update job={job} StartTime=now")
    wait_for(slurm, job, "COMPLETED", run)
    assert begins(run) == [0, saved] and done(run) == saved + 5


def test_a_job_outlives_a_host_and_is_requeued_with_the_first_one(slurm, hosts, counter):
    run = hosts.shared / "failing"
    job = submit(slurm, run, counter, "--steps=100000")
    assert wait_until(lambda: done(run) >= 5)
    hosts["h3"].kill()
    # The counter itself waits for ever for the host that is lost, as the run's engine does not.
    assert wait_until(lambda: "h3" in slurm.run("sinfo --noheader --states=down --format=%N"))
    assert slurm.state(job) == "RUNNING"
    head = hosts.head.run("pgrep -f gcs_server").stdout.split()
    hosts.head.run(["kill", "-KILL", *head])
    hosts["h3"].boot()
    slurm.start(hosts["h3"])
    assert wait_until(lambda: slurm.state(job) == "PENDING"), log_of(run)
    assert "Ray's head has ended: queued again" in log_of(run)
    (run / "experiment.json").write_text(json.dumps({"steps": done(run) + 5}))
    slurm.run(f"scontrol update job={job} StartTime=now")
    wait_for(slurm, job, "COMPLETED", run)
    assert len(begins(run)) == 2 and begins(run)[1] >= 5


def test_a_training_run_is_resumed_when_its_job_is_requeued_and_saves_when_it_is_asked_to(
    slurm, hosts
):
    run = hosts.shared / "training"
    path = f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin"
    settings = ["batch_size=8", "hidden_sizes=8", "min_replay_size=200"]
    job = submit(
        slurm,
        run,
        path,
        *("--env=control:cartpole:swingup", "--steps=1000000", "--num_actors=2"),
        *("--actor_cpus=0.5", "--checkpoint_period=2"),
        *(f"--set={setting}" for setting in settings),
    )
    assert wait_until(lambda: newest_checkpoint(run) > 0, 300), log_of(run)
    slurm.run(f"scontrol requeue {job}")
    assert wait_until(lambda: slurm.state(job) == "PENDING")
    saved = newest_checkpoint(run)
    slurm.run(f"scontrol update job={job} StartTime=now")
    assert wait_until(lambda: newest_checkpoint(run) > saved, 300), log_of(run)
    assert "Resuming from" in log_of(run)
    # As deploy/slurm/README.md has it: a command for the run, on a host of its job.
    address = re.findall(r"Ray's head is (\S+)\.", log_of(run))[-1]
    step = f"srun --jobid={job} --overlap --nodes=1 --ntasks=1"
    slurm.run(f"{step} quinoa scale {run} --num_actors=1 --ray_address={address}")
    processes = RunFolder(run).processes
    assert wait_until(
        lambda: "actor-1" not in [node.name for node in process_list.read(processes).nodes], 60.0
    )
    # And likewise: to end a run in order.
    slurm.run(f"scancel --batch --signal=USR1 {job}")
    assert wait_until(lambda: slurm.state(job) == "PENDING", 180), log_of(run)
    assert json.loads((run / "result.json").read_text())["outcome"] == "stopped"
    assert "The time is up: queued again" in log_of(run)
    slurm.run(f"scancel {job}")


def newest_checkpoint(run: Path) -> int:
    """The learner steps of a run's newest checkpoint, 0 without one."""
    folders = (run / "checkpoints").glob("[0-9]*")
    return max((int(each.name) for each in folders if each.name.isdigit()), default=0)


def log_of(run: Path) -> str:
    log = Path(f"{run}.log")
    return log.read_text() if log.exists() else "nothing"


def begins(run: Path) -> list[int]:
    """At how many steps the counter began each time."""
    lines = log_of(run).splitlines()
    return [int(line.split()[-1]) for line in lines if line.startswith("begins at")]


def test_what_cannot_work_is_said_before_anything_starts(slurm, hosts, counter):
    run = hosts.shared / "wrong"
    for arguments, path, reason in (
        ([], counter, "name the run's folder first"),
        (["--steps=5"], counter, "name the run's folder first"),
        ([str(run)], "/usr/sbin:/usr/bin:/sbin:/bin", "there is no quinoa on the PATH"),
    ):
        log = hosts.shared / "wrong.log"
        log.unlink(missing_ok=True)
        job = slurm.submit(
            SCRIPT,
            *arguments,
            options=f"--nodes=2 --cpus-per-task=1 --output={log}",
            env={"PATH": path},
        )
        wait_for(slurm, job, "FAILED", run, timeout_s=30)
        assert reason in log.read_text()
    assert not run.exists()
