"""Sockets of a gateway: their addresses, how they are accepted, and how they end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Any

# Seconds until another host that does not answer counts as gone, whether data is on its way to it
# or nothing is sent at all.
_VANISHED_S = 15
# Closes a socket at once, with what it has not sent yet lost: the other end sees an error.
_RESET = struct.pack("ii", 1, 0)
# Connections that may wait to be accepted.
BACKLOG = 1024
# Seconds to wait until a port is free, or this process may have more files.
RETRY_S = 0.1


def split_address(text: str) -> tuple[str, int]:
    """The host and the port of `host:port`, where an IPv6 host is in brackets.

    Raises:
        ValueError: it is none.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"{text!r} is not an address like host:port.")
    return host.removeprefix("[").removesuffix("]"), int(port)


def family_of(host: str) -> socket.AddressFamily:
    """The family of a host's IP address."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class Acceptor:
    """Takes the connections to a listening socket, in the event loop of this thread."""

    def __init__(
        self,
        listener: socket.socket,
        take: Callable[[socket.socket, Any], object],
        failed: Callable[[OSError], object],
    ):
        """Begins to take connections.

        Args:
            listener: listens and does not block; this closes it.
            take: called with each connection, which does not block, and the address that it is of.
            failed: called with what prevents that a connection is accepted, such as that this
                process has as many files as it may; it is tried again.
        """
        self._listener = listener
        self._take = take
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._resume()

    def close(self) -> None:
        """Takes no more connections, and closes the listening socket."""
        self._loop.remove_reader(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        for _ in range(BACKLOG):
            try:
                connection, address = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                self._failed(error)
                # The next attempt is not now: it would fail as this one did.
                self._loop.remove_reader(self._listener)
                self._loop.call_later(RETRY_S, self._resume)
                return
            connection.setblocking(False)
            self._take(connection, address)

    def _resume(self) -> None:
        if self._listener.fileno() != -1:
            self._loop.add_reader(self._listener, self._accept)


def break_if_vanished(which: socket.socket) -> None:
    """Has the kernel break a connection whose other end answers no more."""
    send_at_once(which)
    which.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    which.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _VANISHED_S // 3)
    which.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _VANISHED_S // 3)
    which.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2)
    which.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _VANISHED_S * 1000)


def send_at_once(which: socket.socket) -> None:
    """Has a socket send small pieces at once, instead of waiting for more."""
    which.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def reset(*sockets: socket.socket | None) -> None:
    """Closes sockets so that their other ends see the connections break."""
    for each in sockets:
        if each is not None:
            reset_at_close(each)
            each.close()


def reset_at_close(which: socket.socket) -> None:
    """Has a socket reset its connection when it is closed."""
    with contextlib.suppress(OSError):
        which.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def reason(error: BaseException) -> str:
    """What a failure of a socket was, in a few words."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return str(error)
