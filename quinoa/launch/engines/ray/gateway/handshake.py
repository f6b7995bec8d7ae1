"""Makes a connection between two gateways: its encryption, and which service it is for.

The gateway that connects sends the service's name first, filled up to a fixed length.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from quinoa.launch.engines.ray.gateway import sockets

# Seconds that a connection has to be made, encrypted and carried on.
PATIENCE_S = 10.0
_NAME_BYTES = 16
_T = TypeVar("_T")


async def connect(
    outer: socket.socket, context: ssl.SSLContext, gateway: tuple[str, int], service: str
) -> ssl.SSLSocket:
    """Connects a socket to the gateway of another host, for a service there.

    Args:
        outer: a new socket that does not block; closed if this fails once it is connected.
        context: of `HostKeys.connecting_context`.
        gateway: the host and the port.
        service: the service's name.

    Raises:
        OSError: the gateway does not answer in time, or is none of the run.
    """
    sockets.break_if_vanished(outer)
    host, _ = gateway

    async def connected() -> ssl.SSLSocket:
        await asyncio.get_running_loop().sock_connect(outer, gateway)
        return await _encrypted(outer, context, server_hostname=host)

    tls = await in_time(connected())
    try:
        tls.send(service.encode().ljust(_NAME_BYTES, b"\0"))
    except OSError:
        sockets.reset(tls)
        raise
    return tls


async def accept(outer: socket.socket, context: ssl.SSLContext) -> tuple[ssl.SSLSocket, str]:
    """Has a connection from outside prove that it is of a host of the run.

    Args:
        outer: an accepted socket that does not block; closed if this fails.
        context: of `HostKeys.accepting_context`.

    Returns:
        The connection, and the name of the service that it is for.

    Raises:
        OSError: it proves nothing, or not in time.
    """
    sockets.break_if_vanished(outer)

    async def proved() -> tuple[ssl.SSLSocket, str]:
        tls = await _encrypted(outer, context, server_side=True)
        return tls, await _name(tls)

    return await in_time(proved())


async def in_time(making: Awaitable[_T]) -> _T:
    """Waits for a step of making a connection; raises `TimeoutError` where it takes too long."""
    try:
        return await asyncio.wait_for(making, PATIENCE_S)
    except asyncio.TimeoutError:
        raise TimeoutError(f"no answer for {PATIENCE_S:.0f} s") from None


async def _encrypted(
    plain: socket.socket, context: ssl.SSLContext, **settings: Any
) -> ssl.SSLSocket:
    """A connected socket after its handshake, which closes it if it fails."""
    tls = context.wrap_socket(
        plain, do_handshake_on_connect=False, suppress_ragged_eofs=False, **settings
    )
    loop = asyncio.get_running_loop()
    try:
        while True:
            try:
                tls.do_handshake()
                return tls
            except ssl.SSLWantReadError:
                await _ready(tls, loop.add_reader, loop.remove_reader)
            except ssl.SSLWantWriteError:
                await _ready(tls, loop.add_writer, loop.remove_writer)
    except BaseException:
        sockets.reset(tls)
        raise


async def _name(tls: ssl.SSLSocket) -> str:
    """Reads which service a connection is for."""
    loop = asyncio.get_running_loop()
    name = b""
    try:
        while len(name) < _NAME_BYTES:
            try:
                if not (part := tls.recv(_NAME_BYTES - len(name))):
                    raise ConnectionResetError("it ended before it said what it is for")
                name += part
            except ssl.SSLWantReadError:
                await _ready(tls, loop.add_reader, loop.remove_reader)
    except BaseException:
        sockets.reset(tls)
        raise
    return name.rstrip(b"\0").decode("ascii", "replace")


async def _ready(
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
