"""The hosts that a run uses: each with the run's network, and a gateway to the other hosts."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from quinoa.launch.engines.ray.gateway.keys import HostKeys, RunKeys
from quinoa.launch.engines.ray.gateway.process import Gateway
from quinoa.launch.engines.ray.node_host import Place
from quinoa.launch.machine import private_network
from quinoa.launch.nodes.topology import SERVICES
from quinoa.launch.run.roles import Role

if TYPE_CHECKING:
    from ray.actor import ActorHandle

# Seconds for a host to make its network and its gateway, and to learn where a service is.
_MAKE_S = 60.0
_ROUTE_S = 10.0
# Seconds between two looks at a host.
_LOOK_S = 2.0


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
        self._routes: dict[Role, str | None] = {}
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
            if self._gateway is None or self._gateway.exit_code is not None:
                self._gateway = Gateway.start(self._keys, self._ports, self._address, self._network)
                for role, where in self._routes.items():
                    self._gateway.route(role, where)
            return self._gateway.address

    def route(self, role: Role, where: str | None) -> None:
        """Says where a service is: behind another host's gateway, or (None) on this host."""
        self.gateway()
        with self._lock:
            assert self._gateway is not None
            self._routes[role] = where
            self._gateway.route(role, where)

    def close(self) -> None:
        """Closes the gateway; the network goes with the processes in it."""
        with self._lock:
            if self._gateway is not None:
                self._gateway.close()
        self._context.close()


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


@dataclasses.dataclass(frozen=True)
class _Host:
    agent: ActorHandle[Any]
    place: Place
    opened: Opened


class Hosts:
    """Makes hosts ready for the processes of a run, and tells each where the services are."""

    def __init__(
        self,
        ports: Mapping[Role, int],
        *,
        private: bool,
        not_private: Callable[[Place, str], object],
    ):
        """Makes keys for the run, and no host ready yet.

        Args:
            ports: the port of each service, the same on every host.
            private: whether to make a private network on each host.
            not_private: called with a host that allows none, and why; may raise.
        """
        self._ports = ports
        self._private = private
        self._not_private = not_private
        self._keys = RunKeys.make()
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}
        self._place_of: dict[Role, str] = {}
        self._is_closed = threading.Event()
        threading.Thread(target=self._watch, name="hosts", daemon=True).start()

    def ready(self, role: Role, place: Place) -> Sequence[str]:
        """Makes a host ready for a process; if it has a service, tells all hosts so.

        Args:
            role: what the process does.
            place: where it is to be started.

        Returns:
            The paths of the network's namespaces, which the process joins.

        Raises:
            OSError: the host cannot be made ready.
        """
        with self._lock:
            host = self._known(place.host) or self._open(place)
            if role in SERVICES and self._place_of.get(role) != place.host:
                self._place_of[role] = place.host
                self._tell(role)
        return host.opened.network

    def _known(self, name: str) -> _Host | None:
        """A host that is ready, if its agent still answers."""
        if name in self._hosts:
            self._look(name)
        return self._hosts.get(name)

    def _look(self, name: str) -> None:
        """Forgets a host whose agent does not answer; tells the others of a gateway that moved."""
        import ray

        host = self._hosts[name]
        try:
            gateway: str = ray.get(host.agent.gateway.remote(), timeout=_ROUTE_S)
        except Exception:  # Of many types, for an actor or a host that is gone.
            self._hosts.pop(name, None)
            return
        if gateway == host.opened.gateway:
            return
        opened = dataclasses.replace(host.opened, gateway=gateway)
        self._hosts[name] = dataclasses.replace(host, opened=opened)
        for role, place in self._place_of.items():
            if place == name:
                self._tell(role)

    def _tell(self, role: Role) -> None:
        """Tells all hosts where a service is, its own first: there its port is to be free."""
        at = self._place_of[role]
        for other in sorted(self._hosts.values(), key=lambda host: host.place.host != at):
            self._route(other, role)

    def _watch(self) -> None:
        """Looks at each host now and then: a gateway that has ended is started again."""
        while not self._is_closed.wait(_LOOK_S):
            for name in list(self._hosts):
                with self._lock:
                    if name in self._hosts:
                        self._look(name)

    def close(self) -> None:
        """Closes all gateways."""
        import ray

        self._is_closed.set()
        with self._lock:
            closing = [host.agent.close.remote() for host in self._hosts.values()]
            with contextlib.suppress(Exception):
                ray.wait(closing, num_returns=len(closing), timeout=_ROUTE_S)
            for host in self._hosts.values():
                with contextlib.suppress(Exception):
                    ray.kill(host.agent)
            self._hosts.clear()

    def _open(self, place: Place) -> _Host:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        agent = (
            ray.remote(HostAgent)
            .options(
                num_cpus=0,
                max_concurrency=4,
                scheduling_strategy=NodeAffinitySchedulingStrategy(place.host, soft=False),
            )
            .remote(self._keys.for_host(place.address), self._ports, place.address)
        )
        opened: Opened = ray.get(agent.open.remote(private=self._private), timeout=_MAKE_S)
        if opened.why_not_private is not None:
            self._not_private(place, opened.why_not_private)
        host = _Host(agent, place, opened)
        self._hosts[place.host] = host
        for role in self._place_of:
            self._route(host, role)
        return host

    def _route(self, host: _Host, role: Role) -> None:
        """Tells one host where a service is; one that does not answer is forgotten."""
        import ray

        at = self._place_of[role]
        where = None
        if at != host.place.host:
            # The service's own host is made ready before the service is said to be there.
            where = self._hosts[at].opened.gateway if at in self._hosts else None
            if where is None:
                return
        try:
            ray.get(host.agent.route.remote(role, where), timeout=_ROUTE_S)
        except Exception:
            self._hosts.pop(host.place.host, None)
