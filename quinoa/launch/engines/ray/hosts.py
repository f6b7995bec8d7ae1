"""The hosts that a run uses: makes them ready, and tells each where the run's services are."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from quinoa.launch.engines.ray import run_server
from quinoa.launch.engines.ray.gateway.keys import RunKeys
from quinoa.launch.engines.ray.host_agent import HostAgent, Opened
from quinoa.launch.engines.ray.host_processes import HostedRun
from quinoa.launch.engines.ray.host_watch import HostWatch
from quinoa.launch.engines.ray.placement import Place
from quinoa.launch.nodes.topology import SERVICES
from quinoa.launch.run.roles import Role

if TYPE_CHECKING:
    from ray.actor import ActorHandle

# Seconds for a host to make its network and its gateway, and to learn where a service is.
_MAKE_S = 60.0
_ROUTE_S = 5.0
# Seconds between two looks at a host.
_LOOK_S = 2.0


@dataclasses.dataclass
class _Host:
    """A host that was made ready, and the newest version of the routes that it was told."""

    agent: ActorHandle[Any]
    place: Place
    gateway: str
    watch: HostWatch
    told: int = 0
    is_silent: bool = False


class Hosts:
    """Makes hosts ready for the processes of a run, and tells each where the services are.

    Any thread may call its methods. No host waits for another one: what takes a host's answer is
    done under a lock of that host, or under none.
    """

    def __init__(
        self,
        ports: Mapping[Role, int],
        hosted: HostedRun,
        *,
        private: bool,
        host_timeout_s: float,
        not_private: Callable[[Place, str], object],
        on_note: Callable[[str], object],
    ):
        """Makes keys for the run, and no host ready yet.

        Args:
            ports: the port of each service, the same on every host.
            hosted: the run.
            private: whether to make a private network on each host.
            host_timeout_s: seconds without an answer after which what runs on a host is given up.
            not_private: called with a host that allows none, and why; may raise.
            on_note: called with each line that a host has to tell.
        """
        self._ports = ports
        self._hosted = hosted
        self._private = private
        self._host_timeout_s = host_timeout_s
        self._not_private = not_private
        self._on_note = on_note
        self._keys = RunKeys.make()
        # For what follows; locked only for moments.
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}
        # Of each host that there ever was: locked while it is made ready.
        self._opening: collections.defaultdict[str, threading.Lock]
        self._opening = collections.defaultdict(threading.Lock)
        self._place_of: dict[Role, str] = {}
        # Of what the hosts are to be told: grows when a service or a gateway moves.
        self._version = 0
        self._is_closed = threading.Event()
        threading.Thread(target=self._watch, name="hosts", daemon=True).start()

    def ready(self, role: Role, place: Place) -> HostWatch | None:
        """Makes a host ready for a process; if it has a service, tells all hosts so.

        Args:
            role: what the process does.
            place: where it is to be started.

        Returns:
            What starts the process there; None if the host does not answer now.

        Raises:
            OSError: the host cannot be made ready.
        """
        import ray

        with self._lock:
            opening = self._opening[place.host]
        with opening:
            try:
                host = self._known(place) or self._open(place)
            except ray.exceptions.GetTimeoutError:
                return None
        if host.is_silent:
            return None
        with self._lock:
            if role in SERVICES and self._place_of.get(role) != place.host:
                self._place_of[role] = place.host
                self._version += 1
            version, hosts = self._version, list(self._hosts.values())
        # This one first, for there the service's port is to be free.
        self._tell([host])
        if host.told < version:
            raise OSError(f"{place.name} cannot be told where the run's services are")
        # The others' answers are waited for by `_watch`.
        self._send_routes(hosts)
        return host.watch

    def all_answer(self) -> bool:
        """Whether every host of the run answers now, but for those that Ray has found dead."""
        with self._lock:
            hosts = list(self._hosts.values())
        if hosts:
            self._look(hosts)
        return not any(host.is_silent for host in hosts)

    def _known(self, place: Place) -> _Host | None:
        """The host at a place if it was made ready before, and has not died since."""
        with self._lock:
            host = self._hosts.get(place.host)
        if host is not None:
            self._look([host])
        with self._lock:
            return self._hosts.get(place.host)

    def _watch(self) -> None:
        """Looks at the hosts now and then, and tells them what they have missed."""
        while not self._is_closed.wait(_LOOK_S):
            with self._lock:
                hosts = list(self._hosts.values())
            self._look(hosts)
            self._tell(hosts)

    def _look(self, hosts: Sequence[_Host]) -> None:
        """Looks at hosts: has gateways that have ended started again, and forgets dead hosts.

        One that does not answer is kept: it may be cut off for a while, with all that runs there.
        """
        import ray

        asked = {host.agent.gateway.remote(): host for host in hosts}
        answered, silent = ray.wait(list(asked), num_returns=len(asked), timeout=_LOOK_S)
        for answer in silent:
            asked[answer].is_silent = True
        for answer in answered:
            host = asked[answer]
            try:
                gateway: str = ray.get(answer)
            except ray.exceptions.ActorDiedError:
                self._forget(host)
                continue
            # Its gateway did not start, or it was not reached: the next look may find more.
            except (ray.exceptions.RayError, OSError) as error:
                host.is_silent = not isinstance(error, OSError)
                continue
            host.is_silent = False
            with self._lock:
                if gateway != host.gateway:
                    host.gateway = gateway
                    self._version += 1

    def _forget(self, host: _Host) -> None:
        host.watch.lose("the run's network there is gone")
        with self._lock:
            if self._hosts.get(host.place.host) is host:
                del self._hosts[host.place.host]

    def _tell(self, hosts: Sequence[_Host]) -> None:
        """Tells those of some hosts where the services are that do not know it yet."""
        import ray

        version, asked = self._send_routes(hosts)
        answered, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_ROUTE_S)
        for answer in answered:
            # One that could not be told is told again at the next look.
            with contextlib.suppress(ray.exceptions.RayError, OSError):
                ray.get(answer)
                with self._lock:
                    asked[answer].told = max(asked[answer].told, version)

    def _send_routes(self, hosts: Sequence[_Host]) -> tuple[int, dict[Any, _Host]]:
        """Begins to tell those of some hosts where the services are that do not know it yet.

        Returns:
            The version of what they are told, and each host by what stands for its answer.
        """
        with self._lock:
            version = self._version
            return version, {
                host.agent.route.remote(version, self._routes(host)): host
                for host in hosts
                if host.told < version
            }

    def _routes(self, host: _Host) -> dict[Role, str | None]:
        """Where a host finds each service whose host is known; `_lock` is locked."""
        return {
            role: None if at == host.place.host else self._hosts[at].gateway
            for role, at in self._place_of.items()
            if at in self._hosts
        }

    def close(self) -> None:
        """Ends all that the run has on its hosts."""
        import ray

        with self._lock:
            self._is_closed.set()
            hosts = list(self._hosts.values())
            self._hosts.clear()
        closing = [host.agent.close.remote() for host in hosts]
        with contextlib.suppress(Exception):
            ray.wait(closing, num_returns=len(closing), timeout=_ROUTE_S)
        for host in hosts:
            host.watch.close()
            with contextlib.suppress(Exception):
                ray.kill(host.agent)

    def _open(self, place: Place) -> _Host:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        agent = (
            ray.remote(HostAgent)
            .options(
                name=f"{run_server.prefix_of_hosts(self._hosted.run)}{secrets.token_hex(8)}",
                num_cpus=0,
                max_concurrency=16,
                scheduling_strategy=NodeAffinitySchedulingStrategy(place.host, soft=False),
            )
            .remote(self._keys.for_host(place.address), self._ports, place.address, self._hosted)
        )
        opened: Opened = ray.get(agent.open.remote(private=self._private), timeout=_MAKE_S)
        if opened.why_not_private is not None:
            self._not_private(place, opened.why_not_private)
        with self._lock:
            if self._is_closed.is_set():
                # Nobody would close it. With the last reference to it, Ray ends the agent.
                raise OSError("the run is over")
            watch = HostWatch(agent, self._host_timeout_s, self._on_note)
            host = _Host(agent, place, opened.gateway, watch)
            self._hosts[place.host] = host
            # Also where a service's host was lost and has come back: others have to find it there.
            self._version += 1
        return host
