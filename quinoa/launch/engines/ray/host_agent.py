"""What a host has for a run: the run's network, and the run's gateway to the other hosts."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
from collections.abc import Mapping, Sequence

from quinoa.launch.engines.ray.gateway.keys import HostKeys
from quinoa.launch.engines.ray.gateway.process import Gateway
from quinoa.launch.machine import private_network
from quinoa.launch.run.roles import Role


@dataclasses.dataclass(frozen=True)
class Opened:
    """What an agent has made on its host.

    Attributes:
        gateway: the address of the gateway, for other hosts.
        network: the paths of the network's namespaces on the host; none for the host's own network.
        why_not_private: why there is no private network, where one was asked for.
    """

    gateway: str
    network: Sequence[str]
    why_not_private: str | None


class HostAgent:
    """Has the run's network and the run's gateway on one host; a Ray actor there."""

    def __init__(self, keys: HostKeys, ports: Mapping[Role, int], address: str):
        """Makes nothing yet.

        Args:
            keys: of this host, for this run.
            ports: the port of each service, the same on every host.
            address: of this host, as others reach it.
        """
        self._keys = keys
        self._ports = ports
        self._address = address
        self._context = contextlib.ExitStack()
        self._network: Sequence[int] = ()
        self._routes: Mapping[Role, str | None] = {}
        self._version = 0
        self._gateway: Gateway | None = None
        self._lock = threading.Lock()

    def open(self, *, private: bool) -> Opened:
        """Makes the network and the gateway.

        Args:
            private: whether to make a private network where that is possible.
        """
        refused: list[str] = []
        if private:
            self._network = self._context.enter_context(
                private_network.create_if_possible(lambda error: refused.append(str(error)))
            )
        return Opened(
            gateway=self.gateway(),
            network=[f"/proc/{os.getpid()}/fd/{descriptor}" for descriptor in self._network],
            why_not_private=refused[0] if refused else None,
        )

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

    def close(self) -> None:
        """Closes the gateway; the network goes with the processes in it."""
        with self._lock:
            if self._gateway is not None:
                self._gateway.close()
        self._context.close()
