"""What a gateway does: lets connections to services out of the host, and lets other hosts' in."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import os
import resource
import socket
import ssl
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from quinoa.launch.engines.ray.gateway.keys import HostKeys
from quinoa.launch.engines.ray.gateway.relay import BUFFER_BYTES, Relay, reset_at_close
from quinoa.launch.engines.ray.gateway.run_network import RunNetwork
from quinoa.launch.terminal.output import say

# Seconds until another host that does not answer counts as gone, whether data is on its way to it
# or nothing is sent at all.
_VANISHED_S = 15
# Seconds that a connection has to be made, encrypted and carried on.
_SETUP_S = 10.0
# Connections from other hosts that have not proved yet that they are of this run. One more, and the
# oldest of them is closed, so that strangers who connect and say nothing keep nobody out.
_MAX_STRANGERS = 1024
# A connecting gateway first sends the service's name, filled up to this length.
_NAME_BYTES = 16
# Seconds to wait until a port is free, or this process may have more files.
_RETRY_S = 0.1
# Connections that may wait to be accepted.
_BACKLOG = 1024
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
    listeners: list[socket.socket] = dataclasses.field(default_factory=list)
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
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._outside = socket.create_server((host, 0), family=family, backlog=_BACKLOG)
        self._outside.setblocking(False)
        self._accept_from(self._outside, self._admit)

    @property
    def address(self) -> str:
        """Where other hosts' gateways reach this one, as `host:port`."""
        port = self._outside.getsockname()[1]
        return f"[{self._host}]:{port}" if ":" in self._host else f"{self._host}:{port}"

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
            address = split_address(gateway)
        if (is_here, address) == (service.is_here, service.gateway):
            return
        self._cut(service)
        service.is_here, service.gateway = is_here, address
        if address is not None and not self._listen_inside(service):
            self._track(service, self._listen_later(service))

    def close(self) -> None:
        """Cuts all connections, and takes no more."""
        self._stop_accepting(self._outside)
        for task in self._strangers:
            task.cancel()
        for service in self._services.values():
            self._cut(service)

    def _cut(self, service: _Service) -> None:
        for listener in service.listeners:
            self._stop_accepting(listener)
        service.listeners.clear()
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
                listener.listen(_BACKLOG)
            except OSError as error:
                listener.close()
                if error.errno == errno.EADDRNOTAVAIL:
                    continue  # The host has no IPv6.
                self._say_once(f"port {service.port} of the {service.name}: {_why(error)}")
                for other in service.listeners:
                    self._stop_accepting(other)
                service.listeners.clear()
                return False
            service.listeners.append(listener)
            self._accept_from(
                listener, lambda plain, _: self._track(service, self._let_out(service, plain))
            )
        return True

    async def _listen_later(self, service: _Service) -> None:
        """Waits until a process that has the port, such as the service itself, has ended."""
        while not self._listen_inside(service):
            await asyncio.sleep(_RETRY_S)

    async def _let_out(self, service: _Service, plain: socket.socket) -> None:
        """Carries a connection of a process of this host to the host that has the service."""
        assert service.gateway is not None
        host, port = service.gateway
        outer: socket.socket | None = None
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            outer = socket.socket(family, socket.SOCK_STREAM)
            outer.setblocking(False)
            _notice_vanishing(outer)

            async def connect(outer: socket.socket) -> ssl.SSLSocket:
                await self._loop.sock_connect(outer, (host, port))
                return await self._encrypted(outer, self._connecting, server_hostname=host)

            outer = tls = await asyncio.wait_for(connect(outer), _SETUP_S)
            tls.send(service.name.encode().ljust(_NAME_BYTES, b"\0"))
            _send_at_once(plain)
            self._relay(service, plain, tls)
        except (OSError, asyncio.TimeoutError) as error:
            self._say_once(f"{service.name} cannot be reached through {host} ({_why(error)})")
            _reset(plain, outer)
        except asyncio.CancelledError:
            _reset(plain, outer)
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
            _notice_vanishing(outer)

            async def prove(outer: socket.socket) -> tuple[ssl.SSLSocket, str]:
                tls = await self._encrypted(outer, self._accepting, server_side=True)
                return tls, await self._name(tls)

            tls, name = await asyncio.wait_for(prove(outer), _SETUP_S)
        except (OSError, asyncio.TimeoutError) as error:
            self._say_once(f"refused a connection ({_why(error)})", f"; the first was of {sender}")
            _reset(outer)
            return
        except asyncio.CancelledError:
            _reset(outer)
            raise
        service = self._services.get(name)
        if service is None or not service.is_here:
            # It is about to come, or has gone: whoever asks for it asks again.
            _reset(tls)
            return
        self._track(service, self._carry_in(service, tls))

    async def _carry_in(self, service: _Service, tls: ssl.SSLSocket) -> None:
        plain: socket.socket | None = None
        try:
            plain = self._network.make_socket(socket.AF_INET)
            _send_at_once(plain)
            address = ("127.0.0.1", service.port)
            await asyncio.wait_for(self._loop.sock_connect(plain, address), _SETUP_S)
            self._relay(service, plain, tls)
        except (OSError, asyncio.TimeoutError):
            # The service is starting, or has ended: whoever asks for it asks again.
            _reset(tls, plain)
        except asyncio.CancelledError:
            _reset(tls, plain)
            raise

    async def _encrypted(
        self, plain: socket.socket, context: ssl.SSLContext, **settings: Any
    ) -> ssl.SSLSocket:
        """A connected socket after its handshake, which closes it if it fails."""
        tls = context.wrap_socket(
            plain, do_handshake_on_connect=False, suppress_ragged_eofs=False, **settings
        )
        try:
            while True:
                try:
                    tls.do_handshake()
                    return tls
                except ssl.SSLWantReadError:
                    await self._ready(tls, self._loop.add_reader, self._loop.remove_reader)
                except ssl.SSLWantWriteError:
                    await self._ready(tls, self._loop.add_writer, self._loop.remove_writer)
        except BaseException:
            _reset(tls)
            raise

    async def _name(self, tls: ssl.SSLSocket) -> str:
        """Reads which service a connection is for."""
        name = b""
        try:
            while len(name) < _NAME_BYTES:
                try:
                    if not (part := tls.recv(_NAME_BYTES - len(name))):
                        raise ConnectionResetError("it ended before it said what it is for")
                    name += part
                except ssl.SSLWantReadError:
                    await self._ready(tls, self._loop.add_reader, self._loop.remove_reader)
        except BaseException:
            _reset(tls)
            raise
        return name.rstrip(b"\0").decode("ascii", "replace")

    async def _ready(
        self,
        which: socket.socket,
        add: Callable[..., None],
        remove: Callable[[socket.socket], object],
    ) -> None:
        """Waits until a socket can be read or written."""
        ready = asyncio.Event()
        add(which, ready.set)
        try:
            await ready.wait()
        finally:
            remove(which)

    def _relay(self, service: _Service, plain: socket.socket, tls: ssl.SSLSocket) -> None:
        relay = Relay(plain, tls, self._buffer, service.relays.discard)
        service.relays.add(relay)
        relay.start()

    def _track(self, service: _Service, work: Coroutine[Any, Any, None]) -> None:
        """Does work that ends when the service moves."""
        task = self._loop.create_task(work)
        service.setups.add(task)
        task.add_done_callback(service.setups.discard)

    def _accept_from(
        self, listener: socket.socket, take: Callable[[socket.socket, Any], None]
    ) -> None:
        def accept() -> None:
            for _ in range(_BACKLOG):
                try:
                    connection, address = listener.accept()
                except (BlockingIOError, ConnectionAbortedError):
                    return
                except OSError as error:
                    # There are as many files as there may be: the next attempt is not now.
                    self._say_once(f"a connection cannot be accepted ({_why(error)})")
                    self._loop.remove_reader(listener)
                    self._loop.call_later(_RETRY_S, resume)
                    return
                connection.setblocking(False)
                take(connection, address)

        def resume() -> None:
            if listener.fileno() != -1:
                self._loop.add_reader(listener, accept)

        resume()

    def _stop_accepting(self, listener: socket.socket) -> None:
        self._loop.remove_reader(listener)
        listener.close()

    def _say_once(self, what: str, once: str = "") -> None:
        """Says something of each kind once; `once` is no part of the kind."""
        if what not in self._said:
            self._said.add(what)
            say(f"quinoa: note: the gateway of {self._host}: {what}{once}.", sys.stderr)


def split_address(text: str) -> tuple[str, int]:
    """The host and the port of `host:port`, where an IPv6 host is in brackets.

    Raises:
        ValueError: it is none.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"{text!r} is not an address like host:port.")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _why(error: BaseException) -> str:
    if isinstance(error, asyncio.TimeoutError):
        return f"no answer for {_SETUP_S:.0f} s"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return str(error)


def _notice_vanishing(which: socket.socket) -> None:
    """Has the kernel break a connection whose other end answers no more."""
    _send_at_once(which)
    which.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    which.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _VANISHED_S // 3)
    which.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _VANISHED_S // 3)
    which.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2)
    which.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _VANISHED_S * 1000)


def _send_at_once(which: socket.socket) -> None:
    which.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _reset(*sockets: socket.socket | None) -> None:
    for each in sockets:
        if each is not None:
            reset_at_close(each)
            each.close()


def _allow_many_files() -> None:
    """Lets this process have as many open files as it may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
