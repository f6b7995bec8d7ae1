"""A run over the hosts of a Ray cluster, which are restarted as a manager of clusters does."""

from __future__ import annotations

import collections
import contextlib
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from quinoa.launch.run import process_list
from quinoa.launch.run.process_list import NodeState
from quinoa.launch.storage.files import read_json
from tests.chaos.run_under_test import NotSurvivedError, RunUnderTest, wait_until
from tests.cluster.hosts import Host
from tests.cluster.ray_hosts import RayHosts
from tests.deploy import ray_limits
from tests.launch.helpers import nodes_of

NUM_HOSTS = 4
_LOOK_S = 1.0


class ClusterRun(RunUnderTest):
    """A run of the Ray engine, started from a host that is not the head.

    Attributes:
        hosts: those of the cluster.
    """

    # Two dead hosts in a row, on a machine that is busy with starting Ray's nodes.
    patience_s = 240.0
    stop_s = 40.0

    def __init__(
        self, hosts: RayHosts, folder: Path, commands: Path, *, steps: int | None, step_s: float
    ):
        """Starts it; see `RunUnderTest`."""
        self.hosts = hosts
        super().__init__(folder, commands, steps=steps, step_s=step_s)

    def _start(self, resumed: bool = False) -> subprocess.Popen[str]:
        # With the default of --host_timeout, which Ray's limits below fit.
        flags = ["--engine=ray", "--learner_threads=1", "--actor_cpus=0.5", "--require_private"]
        return self.hosts["h2"].popen(
            [*self._command(resumed), *flags],
            env=self._variables(),
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def has_reached_its_limit(self) -> bool:
        """See `RunUnderTest`: whether its result says so, whatever became of the first driver."""
        with contextlib.suppress(FileNotFoundError):
            return bool(read_json(self.folder.result)["outcome"] == "finished")
        return False

    def stop(self) -> float:
        """See `RunUnderTest`."""
        start = time.monotonic()
        self.hosts.head.run(["quinoa", "stop", self.folder.root], timeout=self.patience_s)
        wait_until(self.folder.result.is_file, "it has ended", self)
        seconds = time.monotonic() - start
        outcome = read_json(self.folder.result)["outcome"]
        if outcome != "stopped":
            raise NotSurvivedError(f"It did not stop in order, but {outcome}:\n{self.output()}")
        wait_until(lambda: not nodes_of(self.folder.root), "its processes are gone", self)
        return seconds

    def is_complete(self) -> bool:
        """See `RunUnderTest`; no node has two processes, either."""
        nodes = process_list.read(self.folder.processes).nodes
        return (
            super().is_complete()
            and all(node.state is NodeState.RUNNING for node in nodes)
            and len(nodes_of(self.folder.root)) == len(nodes)
        )

    def hosts_of_nodes(self) -> dict[str, Host]:
        """The host that each node's process is on, once all have one."""

        def names() -> dict[str, str | None]:
            return {node.name: node.host for node in process_list.read(self.folder.processes).nodes}

        wait_until(lambda: None not in names().values(), "all processes have hosts", self)
        return {node: self.hosts[host] for node, host in names().items() if host is not None}

    def host_of(self, node: str) -> Host:
        """The host that a node's process is on."""
        return self.hosts_of_nodes()[node]

    def of_ray(self, text: str, host: Host | None = None) -> list[psutil.Process]:
        """Processes on the hosts, or on one of them, whose command line has a text."""
        found = []
        spaces = {
            os.readlink(f"/proc/{each.pid}/ns/pid")
            for each in self.hosts
            if each.is_up and host in (None, each)
        }
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if (
                    text in " ".join(process.cmdline())
                    and os.readlink(f"/proc/{process.pid}/ns/pid") in spaces
                ):
                    found.append(process)
        return found


class Manager:
    """Starts Ray on each host where it has ended, as Slurm, Kubernetes or systemd do."""

    def __init__(self, hosts: RayHosts):
        """Does nothing yet."""
        self._hosts = hosts
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._manage, name="manager")
        self.starts: collections.Counter[str] = collections.Counter()

    def __enter__(self) -> Manager:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._is_closed.set()
        self._thread.join()

    def _manage(self) -> None:
        while not self._is_closed.wait(_LOOK_S):
            for host in self._hosts:
                # A host may be switched off at any moment of this, and is looked at again.
                with contextlib.suppress(
                    AssertionError, RuntimeError, OSError, subprocess.TimeoutExpired, psutil.Error
                ):
                    if host.is_up and not _has_ray(host):
                        host.run(["ray", "stop", "--force"], timeout=60)
                        self._hosts.start_ray(host)
                        self.starts[host.name] += 1


def _has_ray(host: Host) -> bool:
    done = host.run(["pgrep", "--exact", "raylet"], check=False)
    return done.returncode == 0


@contextlib.contextmanager
def started(temporary: Path, *, steps: int | None, step_s: float) -> Iterator[ClusterRun]:
    """A run that learns, and of which nothing is left in the end."""
    # All hosts see it at the same path, as on a common file system.
    with (
        tempfile.TemporaryDirectory(prefix="quinoa-shared-", dir=temporary) as shared,
        RayHosts(
            NUM_HOSTS,
            cpus=4,
            # Too few for learner and replay: a cluster does not survive the loss of its head.
            head_cpus=1,
            disk_mb=2000,
            share=[temporary],
            system_config=ray_limits.of_recipes(),
        ) as hosts,
        Manager(hosts),
    ):
        subject = ClusterRun(
            hosts, Path(shared, "run"), temporary / "commands", steps=steps, step_s=step_s
        )
        try:
            subject.wait_until_going_on()
            yield subject
        finally:
            subject.close()
