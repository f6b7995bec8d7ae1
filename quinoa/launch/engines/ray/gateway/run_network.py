"""Sockets in the run's private network, for a process that stays outside it.

A socket belongs to the network that it was made in, whoever uses it. So a process that has joined
the network makes sockets there, and passes them to the gateway.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Collection, Sequence

from quinoa.launch.machine import private_network, termination

# Seconds that it may take to make a socket.
_PATIENCE_S = 10.0


class RunNetwork:
    """Makes TCP sockets in the network of a run."""

    def __init__(self, descriptors: Sequence[int]):
        """Starts the process that makes them; this process must have only one thread.

        Args:
            descriptors: what `private_network.join` takes, which are closed here; none for the
                host's own network, where this process makes them itself.

        Raises:
            OSError: the network cannot be joined.
        """
        self._maker: socket.socket | None = None
        if not descriptors:
            return
        self._maker, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._maker.settimeout(_PATIENCE_S)
        parent = os.getpid()
        if os.fork() == 0:
            _serve(other, descriptors, parent)
        other.close()
        for descriptor in descriptors:
            os.close(descriptor)
        # Whether it can be joined is known now.
        self.make_socket(socket.AF_INET).close()

    def on_loss(self, call: Callable[[], object]) -> None:
        """Has the event loop of this thread call something if no sockets can be made any more."""
        if self._maker is not None:
            # It says nothing unless it is asked, and `make_socket` reads the answer at once.
            asyncio.get_running_loop().add_reader(self._maker, call)

    def make_socket(self, family: socket.AddressFamily) -> socket.socket:
        """Makes a socket that does not block.

        Raises:
            OSError: there is none to be had; its `errno` says why.
        """
        if self._maker is None:
            made = socket.socket(family, socket.SOCK_STREAM)
        else:
            self._maker.send(bytes([family]))
            answer, descriptors, *_ = socket.recv_fds(self._maker, 1024, 1)
            if not answer:
                raise OSError("The process that makes sockets in the private network has ended.")
            if not descriptors:
                number = int(answer)
                raise OSError(number, f"In the private network: {os.strerror(number)}")
            made = socket.socket(fileno=descriptors[0])
        made.setblocking(False)
        return made


def _serve(requests: socket.socket, descriptors: Sequence[int], parent: int) -> None:
    """Makes a socket for each request until there is nobody to ask; does not return."""
    status = 1
    try:
        _close_all_but({0, 1, 2, requests.fileno(), *descriptors})
        termination.die_with(parent, signal.SIGKILL)
        try:
            private_network.join(descriptors)
        except OSError as error:
            requests.recv(1)
            requests.send(str(error.errno).encode())
            return
        while request := requests.recv(1):
            try:
                with socket.socket(request[0], socket.SOCK_STREAM) as made:
                    socket.send_fds(requests, [b"made"], [made.fileno()])
            except OSError as error:
                requests.send(str(error.errno).encode())
        status = 0
    except OSError:
        pass  # The gateway has gone.
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _close_all_but(kept: Collection[int]) -> None:
    """Closes what a fork has inherited, of which others wait for the end."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in kept:
            with contextlib.suppress(OSError):
                os.close(int(name))
