"""What a gateway does: lets connections to services out of the host, and lets other hosts' in."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import resource
import socket
import ssl
import sys
from collections.abc import Coroutine, Mapping
from typing import Any

from quinoa.launch.engines.ray.gateway import handshake, sockets
from quinoa.launch.engines.ray.gateway.keys import HostKeys
from quinoa.launch.engines.ray.gateway.relay import BUFFER_BYTES, Relay
from quinoa.launch.engines.ray.gateway.run_network import RunNetwork
from quinoa.launch.engines.ray.gateway.sockets import Acceptor
from quinoa.launch.terminal.output import say

# Connections from other hosts that have not proved yet that they are of this run. One more, and the
# oldest of them is closed, so that strangers who connect and say nothing keep nobody out.
_MAX_STRANGERS = 1024
_LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


@dataclasses.dataclass
class _Service:
    """A service as this host sees it.

    Attributes:
        name: of the service.
        port: its port on the loopback interface of the run's network, on every host.
        is_here: whether this host has it.
        gateway: the address of the gateway of the host that has it; None if it is here or nowhere.
        listeners: what takes connections for it, if another host has it.
        setups: the connections that are being made.
        relays: those that have been.
    """

    name: str
    port: int
    is_here: bool = False
    gateway: tuple[str, int] | None = None
    listeners: list[Acceptor] = dataclasses.field(default_factory=list)
    setups: set[asyncio.Task[None]] = dataclasses.field(default_factory=set)
    relays: set[Relay] = dataclasses.field(default_factory=set)


class Proxy:
    """The connections of one host, in the event loop of this thread."""

    def __init__(self, keys: HostKeys, ports: Mapping[str, int], host: str, network: RunNetwork):
        """Listens for other hosts. No service has a route yet.

        Args:
            keys: of this host.
            ports: the loopback port of each service, by its name.
            host: the address of this host on which others reach it.
            network: where the run's processes are.

        Raises:
            OSError: this host has no such address, or no port is free.
        """
        _allow_many_files()
        self._host = host
        self._network = network
        self._accepting = keys.accepting_context()
        self._connecting = keys.connecting_context()
        self._services = {name: _Service(name, port) for name, port in ports.items()}
        self._loop = asyncio.get_running_loop()
        self._buffer = memoryview(bytearray(BUFFER_BYTES))
        # In the order in which they came.
        self._strangers: dict[asyncio.Task[None], None] = {}
        self._said: set[str] = set()
        outside = socket.create_server(
            (host, 0), family=sockets.family_of(host), backlog=sockets.BACKLOG
        )
        outside.setblocking(False)
        self._port = outside.getsockname()[1]
        self._outside = Acceptor(outside, self._admit, self._say_not_accepted)

    @property
    def address(self) -> str:
        """Where other hosts' gateways reach this one, as `host:port`."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self._port}"

    def route(self, name: str, gateway: str | None) -> None:
        """Says where a service is.

        If that is not where it was, all connections to it are cut first.

        Args:
            name: of the service.
            gateway: the address of the gateway of the host that has it; None for this host.
        """
        service = self._services[name]
        is_here, address = gateway is None, None
        if gateway is not None:
            address = sockets.split_address(gateway)
        if (is_here, address) == (service.is_here, service.gateway):
            return
        self._cut(service)
        service.is_here, service.gateway = is_here, address
        if address is not None and not self._listen_inside(service):
            self._track(service, self._listen_later(service))

    def close(self) -> None:
        """Cuts all connections, and takes no more."""
        self._outside.close()
        for task in self._strangers:
            task.cancel()
        for service in self._services.values():
            self._cut(service)

    def _cut(self, service: _Service) -> None:
        self._close_listeners(service)
        for task in service.setups:
            task.cancel()
        for relay in tuple(service.relays):
            relay.cut()

    def _listen_inside(self, service: _Service) -> bool:
        """Takes connections of the run's processes to a service that another host has.

        Returns:
            Whether it does; False where the port is not free yet.

        Raises:
            OSError: the private network is lost.
        """
        for family, address in _LOOPBACK:
            try:
                listener = self._network.make_socket(family)
            except OSError as error:
                if error.errno == errno.EAFNOSUPPORT:
                    continue
                raise
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listener.bind((address, service.port))
                listener.listen(sockets.BACKLOG)
            except OSError as error:
                listener.close()
                if error.errno == errno.EADDRNOTAVAIL:
                    continue  # The host has no IPv6.
                self._say_once(
                    f"port {service.port} of the {service.name}: {sockets.reason(error)}"
                )
                self._close_listeners(service)
                return False
            service.listeners.append(
                Acceptor(
                    listener,
                    lambda plain, _: self._track(service, self._let_out(service, plain)),
                    self._say_not_accepted,
                )
            )
        return True

    def _close_listeners(self, service: _Service) -> None:
        for listener in service.listeners:
            listener.close()
        service.listeners.clear()

    async def _listen_later(self, service: _Service) -> None:
        """Waits until a process that has the port, such as the service itself, has ended."""
        while not self._listen_inside(service):
            await asyncio.sleep(sockets.RETRY_S)

    async def _let_out(self, service: _Service, plain: socket.socket) -> None:
        """Carries a connection of a process of this host to the host that has the service."""
        assert service.gateway is not None
        host, _ = service.gateway
        outer: socket.socket | None = None
        try:
            outer = socket.socket(sockets.family_of(host), socket.SOCK_STREAM)
            outer.setblocking(False)
            outer = tls = await handshake.connect(
                outer, self._connecting, service.gateway, service.name
            )
            sockets.send_at_once(plain)
            self._relay(service, plain, tls)
        except OSError as error:
            self._say_once(
                f"{service.name} cannot be reached through {host} ({sockets.reason(error)})"
            )
            sockets.reset(plain, outer)
        except asyncio.CancelledError:
            sockets.reset(plain, outer)
            raise

    def _admit(self, outer: socket.socket, address: Any) -> None:
        """Begins to find out whether a connection from outside is another host's of the run."""
        while len(self._strangers) >= _MAX_STRANGERS:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.cancel()
        task = self._loop.create_task(self._let_in(outer, address[0]))
        self._strangers[task] = None
        task.add_done_callback(lambda done: self._strangers.pop(done, None))

    async def _let_in(self, outer: socket.socket, sender: str) -> None:
        """Carries a connection of another host of the run to a service here."""
        try:
            tls, name = await handshake.accept(outer, self._accepting)
        except OSError as error:
            self._say_once(
                f"refused a connection ({sockets.reason(error)})", f"; the first was of {sender}"
            )
            sockets.reset(outer)
            return
        except asyncio.CancelledError:
            sockets.reset(outer)
            raise
        service = self._services.get(name)
        if service is None or not service.is_here:
            # It is about to come, or has gone: its client asks again.
            sockets.reset(tls)
            return
        self._track(service, self._carry_in(service, tls))

    async def _carry_in(self, service: _Service, tls: ssl.SSLSocket) -> None:
        plain: socket.socket | None = None
        try:
            plain = self._network.make_socket(socket.AF_INET)
            sockets.send_at_once(plain)
            address = ("127.0.0.1", service.port)
            await handshake.in_time(self._loop.sock_connect(plain, address))
            self._relay(service, plain, tls)
        except OSError:
            # The service is starting, or has ended: its client asks again.
            sockets.reset(tls, plain)
        except asyncio.CancelledError:
            sockets.reset(tls, plain)
            raise

    def _relay(self, service: _Service, plain: socket.socket, tls: ssl.SSLSocket) -> None:
        relay = Relay(plain, tls, self._buffer, service.relays.discard)
        service.relays.add(relay)
        relay.start()

    def _track(self, service: _Service, work: Coroutine[Any, Any, None]) -> None:
        """Does work that ends when the service moves."""
        task = self._loop.create_task(work)
        service.setups.add(task)
        task.add_done_callback(service.setups.discard)

    def _say_not_accepted(self, error: OSError) -> None:
        self._say_once(f"a connection cannot be accepted ({sockets.reason(error)})")

    def _say_once(self, what: str, once: str = "") -> None:
        """Says something of each kind once; `once` is no part of the kind."""
        if what not in self._said:
            self._said.add(what)
            say(f"quinoa: note: the gateway of {self._host}: {what}{once}.", sys.stderr)


def _allow_many_files() -> None:
    """Lets this process have as many open files as it may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
