"""What a host has for a run: a network, a gateway to the other hosts, and processes."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Collection, Mapping, Sequence

from quinoa.launch.engines.ray.gateway.keys import HostKeys
from quinoa.launch.engines.ray.gateway.process import Gateway
from quinoa.launch.engines.ray.host_processes import HostedRun, HostProcesses, Looks
from quinoa.launch.engines.ray.hosted_process import Look, Task
from quinoa.launch.machine import private_network
from quinoa.launch.run.roles import Role


@dataclasses.dataclass(frozen=True)
class Opened:
    """What an agent has made on its host.

    Attributes:
        gateway: the address of the gateway, for other hosts.
        why_not_private: why there is no private network, where one was asked for.
    """

    gateway: str
    why_not_private: str | None


class HostAgent:
    """Has the run's network, gateway and processes on one host; a Ray actor there."""

    def __init__(self, keys: HostKeys, ports: Mapping[Role, int], address: str, hosted: HostedRun):
        """Makes nothing yet.

        Args:
            keys: of this host, for this run.
            ports: the port of each service, the same on every host.
            address: of this host, as others reach it.
            hosted: the run.
        """
        self._keys = keys
        self._ports = ports
        self._address = address
        self._hosted = hosted
        self._context = contextlib.ExitStack()
        self._network: Sequence[int] = ()
        self._routes: Mapping[Role, str | None] = {}
        self._version = 0
        self._gateway: Gateway | None = None
        self._processes: HostProcesses | None = None
        self._lock = threading.Lock()

    def open(self, *, private: bool) -> Opened:
        """Makes the network and the gateway, and gets ready to start processes.

        Args:
            private: whether to make a private network where that is possible.

        Raises:
            OSError, ExperimentError: see `Gateway.start` and `HostProcesses`.
        """
        refused: list[str] = []
        if private:
            self._network = self._context.enter_context(
                private_network.create_if_possible(lambda error: refused.append(str(error)))
            )
        self._processes = HostProcesses(self._hosted, self._network)
        self._context.callback(self._processes.close)
        return Opened(self.gateway(), refused[0] if refused else None)

    def gateway(self) -> str:
        """The address of the gateway, for other hosts; starts another one if it has ended."""
        with self._lock:
            if self._gateway is not None and self._gateway.exit_code is not None:
                self._gateway.close()
                self._gateway = None
            if self._gateway is None:
                self._gateway = self._start_gateway()
            return self._gateway.address

    def _start_gateway(self) -> Gateway:
        """Starts a gateway that knows all that this host was told of the services."""
        gateway = Gateway.start(self._keys, self._ports, self._address, self._network)
        try:
            for role, where in self._routes.items():
                gateway.route(role, where)
        except BaseException:
            gateway.close()
            raise
        return gateway

    def route(self, version: int, routes: Mapping[Role, str | None]) -> None:
        """Says where the services are.

        Args:
            version: grows with each change. Calls may overtake one another: an older one is
                ignored.
            routes: for each service another host's gateway that it is behind, or None for this
                host.
        """
        self.gateway()
        with self._lock:
            if version <= self._version:
                return
            assert self._gateway is not None
            for role, where in routes.items():
                self._gateway.route(role, where)
            self._version = version
            self._routes = {**self._routes, **routes}

    def start(self, task: Task) -> None:
        """See `HostProcesses`."""
        self._opened().start(task)

    def look(self, keys: Collection[str], seconds: float) -> Looks:
        """See `HostProcesses`."""
        return self._opened().look(keys, seconds)

    def terminate(self, key: str) -> None:
        """See `HostProcesses`."""
        self._opened().terminate(key)

    def leave_stacks(self, key: str) -> None:
        """See `HostProcesses`."""
        self._opened().leave_stacks(key)

    def kill(self, key: str) -> Look:
        """See `HostProcesses`."""
        return self._opened().kill(key)

    def logs(self, lines: int) -> dict[str, str]:
        """See `HostProcesses`."""
        return self._opened().logs(lines)

    def _opened(self) -> HostProcesses:
        assert self._processes is not None
        return self._processes

    def close(self) -> None:
        """Ends the processes and the gateway; the network goes with them."""
        self._context.close()
        with self._lock:
            if self._gateway is not None:
                self._gateway.close()
