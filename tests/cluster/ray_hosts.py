"""Hosts on which Ray runs, a node each, which only those may use who have the cluster's token."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.cluster.hosts import Host, Hosts

PORT = 6379
# How Ray finds out that a host is dead: after 6 to 14 s, in place of a minute. Processes on it are
# to have ended by then: those of a run with --host_timeout=8 do within 5.6 s.
_HEALTH = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 7,
}
# As little as a node can be: workers start when they are needed, and nothing is reported anywhere.
_SMALL = {
    "RAY_enable_worker_prestart": "0",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # The machine that all hosts are on is what the tests fill, so its memory says little of a host.
    "RAY_memory_monitor_refresh_ms": "0",
}


class RayHosts(Hosts):
    """Hosts with Ray; the first is its head.

    Commands that run on them have the token, and `RAY_ADDRESS` of the cluster.

    Attributes:
        address: of the cluster, as `ray.init` takes it.
        token: what its users need.
    """

    def __init__(
        self,
        count: int,
        *,
        cpus: int = 2,
        head_cpus: int | None = None,
        gpus: int = 0,
        object_store_mb: int = 80,
        disk_mb: int = 512,
        share: Sequence[Path] = (),
        system_config: Mapping[str, object] = _HEALTH,
    ) -> None:
        """Describes a cluster; a `with` block makes it.

        Args:
            count: how many hosts there are at first.
            cpus: how many CPUs each tells Ray that it has.
            head_cpus: how many the head does, if not as many.
            gpus: how many GPUs each tells Ray that it has.
            object_store_mb: each node's shared memory.
            disk_mb: see `Hosts`.
            share: see `Hosts`.
            system_config: Ray's internal settings, for all nodes.
        """
        super().__init__(count, disk_mb=disk_mb, share=share)
        self.token = secrets.token_hex(32)
        self.address = ""
        self._cpus = cpus
        self._head_cpus = cpus if head_cpus is None else head_cpus
        self._gpus = gpus
        self._object_store_mb = object_store_mb
        self._system_config = dict(system_config)

    def start_ray(self, host: Host) -> None:
        """Starts Ray's node on a host, as after the host was switched on again.

        Raises:
            AssertionError: it did not start, with what Ray said.
        """
        command = ["ray", "start", f"--node-ip-address={host.address}", "--disable-usage-stats"]
        command += [f"--num-cpus={self._head_cpus if host is self.head else self._cpus}"]
        command += [f"--num-gpus={self._gpus}"] if self._gpus else []
        command += [f"--object-store-memory={self._object_store_mb * 1_000_000}"]
        if host is self.head:
            command += ["--head", f"--port={PORT}", "--include-dashboard=false", "--no-monitor"]
            command += [f"--system-config={json.dumps(self._system_config)}"]
        else:
            command += [f"--address={self.address}"]
        # The head of a new cluster starts at the same time; a second passes between two tries.
        host.run(command, env={"RAY_NUM_REDIS_GET_RETRIES": "60"}, timeout=120)

    def _start(self, count: int) -> list[Host]:
        new = super()._start(count)
        self.address = f"{self.head.address}:{PORT}"
        for host in new:
            host.environment |= {
                **_SMALL,
                "RAY_ADDRESS": self.address,
                "RAY_AUTH_MODE": "token",
                "RAY_AUTH_TOKEN": self.token,
            }
        # Side by side, but no more of them than the machine can start within Ray's 30 s for each.
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            list(pool.map(self.start_ray, new))
        return new
