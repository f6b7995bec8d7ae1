"""The hosts that a run uses: each with the run's network, and a gateway to the other hosts."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
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
_ROUTE_S = 5.0
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
            if self._gateway is None or self._gateway.exit_code is not None:
                self._gateway = Gateway.start(self._keys, self._ports, self._address, self._network)
                for role, where in self._routes.items():
                    self._gateway.route(role, where)
            return self._gateway.address

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
class Ready:
    """A host on which a process of the run can start.

    Attributes:
        network: the paths of the network's namespaces, which the process joins; none for the
            host's own network.
        is_lost: set when network and gateway are gone: what runs there reaches nobody any more.
    """

    network: Sequence[str]
    is_lost: threading.Event


@dataclasses.dataclass
class _Host:
    """A host that was made ready, and the version of the routes that it was told."""

    agent: ActorHandle[Any]
    place: Place
    gateway: str
    ready: Ready
    told: int = 0


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
        # Of what the hosts are to be told: grows when a service or a gateway moves.
        self._version = 0
        self._is_closed = threading.Event()
        threading.Thread(target=self._watch, name="hosts", daemon=True).start()

    def ready(self, role: Role, place: Place) -> Ready:
        """Makes a host ready for a process; if it has a service, tells all hosts so.

        Args:
            role: what the process does.
            place: where it is to be started.

        Raises:
            OSError: the host cannot be made ready.
        """
        self._look()
        with self._lock:
            host = self._hosts.get(place.host) or self._open(place)
            if role in SERVICES and self._place_of.get(role) != place.host:
                self._place_of[role] = place.host
                self._version += 1
            # First, for there the service's port is to be free.
            self._tell([host])
            if host.told != self._version:
                raise OSError(f"{place.name} cannot be told where the run's services are")
            self._tell(self._hosts.values())
        return host.ready

    def _watch(self) -> None:
        """Looks at the hosts now and then, and tells them what they have missed."""
        while not self._is_closed.wait(_LOOK_S):
            self._look()
            with self._lock:
                self._tell(self._hosts.values())

    def _look(self) -> None:
        """Looks at all hosts: has gateways that have ended started again, and forgets dead hosts.

        One that does not answer is kept: it may be cut off for a while, with all that runs there.
        """
        import ray

        with self._lock:
            hosts = list(self._hosts.values())
        asked = {host.agent.gateway.remote(): host for host in hosts}
        answered, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_LOOK_S)
        for answer in answered:
            host = asked[answer]
            try:
                gateway: str = ray.get(answer)
            except ray.exceptions.ActorDiedError:
                self._forget(host)
                continue
            # Not reached, or its gateway did not start: the next look may find more.
            except (ray.exceptions.RayError, OSError):
                continue
            with self._lock:
                if gateway != host.gateway:
                    host.gateway = gateway
                    self._version += 1

    def _forget(self, host: _Host) -> None:
        host.ready.is_lost.set()
        with self._lock:
            if self._hosts.get(host.place.host) is host:
                del self._hosts[host.place.host]

    def _tell(self, hosts: Iterable[_Host]) -> None:
        """Tells those of some hosts where the services are that do not know it yet."""
        import ray

        version = self._version
        asked = {
            host.agent.route.remote(version, self._routes(host)): host
            for host in hosts
            if host.told != version
        }
        answered, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_ROUTE_S)
        for answer in answered:
            # One that could not be told is told again at the next look.
            with contextlib.suppress(ray.exceptions.RayError, OSError):
                ray.get(answer)
                asked[answer].told = version

    def _routes(self, host: _Host) -> dict[Role, str | None]:
        """Where a host finds each service whose host is known."""
        return {
            role: None if at == host.place.host else self._hosts[at].gateway
            for role, at in self._place_of.items()
            if at in self._hosts
        }

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
        host = _Host(agent, place, opened.gateway, Ready(opened.network, threading.Event()))
        self._hosts[place.host] = host
        # Also where a service's host was lost and has come back: others have to find it there.
        self._version += 1
        return host
