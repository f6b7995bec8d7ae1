"""How a run's actors add up over the hosts of a cluster, and what bends first.

    python -m benchmarks.cluster_scaling [--actors=1,4,16,64,128,256] [--step_seconds=2]

One run on four hosts of this machine, which are network namespaces with a Ray node each, is given
more and more actors by `quinoa scale`. Their environments wait and compute nothing: a step of each
takes `--step_seconds`, so that few of this machine's cores go a long way. It takes root, and Ray
(`make setup RAY=1`); it writes a table (Markdown and CSV) and a picture.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from absl import app, flags

from benchmarks import cluster_report, machine
from benchmarks.cluster_processes import Kind, Processes
from benchmarks.cluster_report import Level
from benchmarks.measure import BenchmarkError
from benchmarks.training import ActorRows
from quinoa.launch.machine import process_environment, termination
from quinoa.launch.run import status
from quinoa.launch.run.events import EventKind
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.run.status import Status
from tests.cluster.hosts import why_not
from tests.cluster.machine import MachineProcess
from tests.cluster.ray_hosts import RayHosts

_ACTORS = flags.DEFINE_list("actors", ["1", "4", "16", "64", "128", "256"], "Numbers of actors.")
_ENVIRONMENTS = flags.DEFINE_integer("environments", 4, "Environments of an actor.")
_STEP_S = flags.DEFINE_float("step_seconds", 2.0, "Seconds that a step of an environment takes.")
_HOSTS = flags.DEFINE_integer("hosts", 4, "Hosts.")
_SECONDS = flags.DEFINE_float("seconds", 40.0, "Seconds of each measurement.")
_SETTLE_S = flags.DEFINE_float("settle_seconds", 10.0, "Seconds before each measurement.")
_OUT = flags.DEFINE_string("out", "runs/benchmarks-cluster", "Where the results go.")

_QUINOA = Path(sys.executable).parent / "quinoa"
# Ray's count of each host's cores, and what it sets aside for an actor: 256 of them fit.
_CPUS = 4
_ACTOR_CPUS = 0.05
# Seconds for the run to begin to learn, and for more actors to come.
_START_S = 300.0
_LOOK_S = 2.0
_TELL_S = 10.0
# What is left to everything else on this machine, in MB.
_RESERVE_MB = 1500.0


def _say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


class ClusterRun:
    """A run on hosts of this machine, seen from outside."""

    def __init__(self, hosts: RayHosts, folder: Path, num_actors: int):
        """Starts it."""
        self._hosts = hosts
        self._root = folder
        self.folder = RunFolder(folder)
        self.processes = Processes(hosts)
        self.num_actors = num_actors
        self.rows = ActorRows(self.folder)
        # Steps of the environments of an actor, which wait in turn.
        each_s = _STEP_S.value / _ENVIRONMENTS.value
        self._training: MachineProcess = hosts.head.popen(
            [
                *(_QUINOA, "train", "--engine=ray", "--agent=iq", f"--folder={folder}"),
                *("--env=benchmarks.simulated:Simulated", f"--env_set=step_s={each_s}"),
                *(f"--num_actors={num_actors}", f"--environments_per_actor={_ENVIRONMENTS.value}"),
                f"--actor_cpus={_ACTOR_CPUS}",
                # A gradient step for each 32 environment steps: the learner leaves the cores be.
                *("--learner_threads=1", "--samples_per_insert=8", "--steps_per_call=1"),
                # What is written comes evenly, and soon.
                *("--set=min_replay_size=16", "--set=segment_length=4"),
                *("--steps=1000000000", "--evaluation_episodes=1"),
                *("--evaluation_period=1000000000", "--hang_timeout=600"),
            ]
        )

    def wait(self) -> None:
        """Waits until the learner learns and all actors that it is to have report.

        Raises:
            BenchmarkError: they do not, in time.
        """
        start, next_s = time.monotonic(), _TELL_S
        position = self.rows.position
        while True:
            self.check()
            now = self.status()
            is_learning = now is not None and now.counts.learner_steps > 0
            present = self.rows.since(position).actor.nunique()
            if is_learning and present >= self.num_actors:
                return
            seconds = time.monotonic() - start
            if seconds >= next_s:
                _say(f"  {present} of {self.num_actors} actors report after {seconds:.0f} s")
                next_s += _TELL_S
            if seconds > _START_S:
                raise BenchmarkError(f"only {present} of {self.num_actors} actors came")
            time.sleep(_LOOK_S)

    def scale(self, num_actors: int) -> None:
        """Has the run have more actors."""
        self.num_actors = num_actors
        self._hosts.head.run([_QUINOA, "scale", self._root, f"--num_actors={num_actors}"])

    def measure(self, seconds: float) -> Level:
        """Watches it for a while."""
        position, num_failures = self.rows.position, self.num_failures()
        used = self.processes.seconds()
        sent = self.processes.sent_by_learners_host()
        before, start = self.status(), time.monotonic()
        time.sleep(seconds)
        after, seconds = self.status(), time.monotonic() - start
        cores = {
            kind: (value - used[kind]) / seconds for kind, value in self.processes.seconds().items()
        }
        sent_s = (self.processes.sent_by_learners_host() - sent) / seconds
        self.check()
        assert before is not None and after is not None
        # The counter writes it twice a second, at times of its own.
        elapsed = after.wall_time - before.wall_time
        counts = after.counts.actor_steps - before.counts.actor_steps
        rows = self.rows.since(position)
        learner_steps_s = (after.counts.learner_steps - before.counts.learner_steps) / elapsed
        age = float(rows.parameter_age.mean())
        return Level(
            actors=self.num_actors,
            ideal_steps_s=self.num_actors * _ENVIRONMENTS.value / _STEP_S.value,
            steps_s=counts / elapsed,
            learner_steps_s=learner_steps_s,
            parameter_age=age,
            parameter_age_s=age / learner_steps_s if learner_steps_s else 0.0,
            rows_s=len(rows) / seconds,
            sent_kb_s=sent_s / 1e3,
            cores={str(kind): cores[kind] for kind in Kind},
            actor_mb=self.processes.memory_of_actors(),
            available_mb=psutil.virtual_memory().available / 1e6,
            num_failures=self.num_failures() - num_failures,
        )

    def status(self) -> Status | None:
        """The newest status of the run."""
        return status.read(self.folder.status)

    def num_failures(self) -> int:
        """How many processes have failed so far."""
        if not self.folder.events.is_file():
            return 0
        lines = self.folder.events.read_text(encoding="utf-8").splitlines()
        return sum(json.loads(line)["event"] == EventKind.FAILED for line in lines)

    def check(self) -> None:
        """Raises `BenchmarkError` where the run has ended."""
        if self._training.poll() is not None:
            out, err = self._training.communicate()
            raise BenchmarkError(f"the run ended: {(out + err)[-2000:]}")

    def stop(self) -> None:
        """Has it end, which its hosts' end would do as well."""
        with contextlib.suppress(Exception):
            self._hosts.head.run([_QUINOA, "stop", self._root], timeout=120)


@contextlib.contextmanager
def _run(num_actors: int) -> Iterator[ClusterRun]:
    shared = Path(tempfile.mkdtemp(prefix="quinoa-scaling-"))
    try:
        # Ray itself is to be patient: this machine will be busy.
        with RayHosts(
            _HOSTS.value, cpus=_CPUS, disk_mb=2000, share=[shared], system_config={}
        ) as hosts:
            run = ClusterRun(hosts, shared / "run", num_actors)
            yield run
            run.stop()
    finally:
        shutil.rmtree(shared, ignore_errors=True)


def measured(numbers: list[int], out: Path) -> list[Level]:
    """Measures the run with each number of actors, as far as memory goes.

    Args:
        numbers: of actors, ascending.
        out: where the results go, which are written after each.

    Raises:
        BenchmarkError: the run fails.
    """
    levels: list[Level] = []
    with _run(numbers[0]) as run:
        for number in numbers:
            if levels:
                reason = cluster_report.why_no_more(levels[-1], number, reserve_mb=_RESERVE_MB)
                if reason is not None:
                    _say(f"Stopping before {number} actors: {reason}")
                    break
                run.scale(number)
            run.wait()
            _say(f"{number} actors act; measuring for {_SECONDS.value:.0f} s")
            time.sleep(_SETTLE_S.value)
            levels.append(run.measure(_SECONDS.value))
            cluster_report.write(levels, out, _described())
            _say("\n" + cluster_report.table(levels[-1:]))
    return levels


def _described() -> str:
    return (
        f"{_HOSTS.value} hosts of one machine; {_ENVIRONMENTS.value} environments an actor, of "
        f"which each step takes {_STEP_S.value:g} s; {machine.describe()}"
    )


def _main(arguments: list[str]) -> int:
    del arguments
    process_environment.set_for_this_process()
    termination.exit_on_signals()
    numbers = sorted({int(number) for number in _ACTORS.value})
    try:
        if (reason := why_not()) is not None:
            raise BenchmarkError(reason)
        if not (Path(sys.executable).parent / "ray").exists():
            raise BenchmarkError("Ray is not installed here: run `make setup RAY=1`")
        levels = measured(numbers, Path(_OUT.value))
    except (BenchmarkError, OSError) as error:
        print(f"cluster_scaling: {error}", file=sys.stderr)
        return 1
    print(cluster_report.table(levels))
    print(cluster_report.bend(levels))
    print(f"Written to {_OUT.value}: scaling.md, scaling.csv, scaling.png")
    return 0


if __name__ == "__main__":
    app.run(_main)
