"""Starts the gateway of a host, tells it where services are, and ends it."""

from __future__ import annotations

import dataclasses
import json
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from quinoa.launch.engines.ray.gateway.keys import HostKeys
from quinoa.launch.engines.ray.gateway.main import MESSAGE_BYTES
from quinoa.launch.engines.ray.gateway.sockets import split_address
from quinoa.launch.machine import interpreter
from quinoa.launch.run.roles import Role

# Seconds that the gateway has to start, to answer and to end.
_PATIENCE_S = 30.0
_END_S = 5.0


class GatewayError(OSError):
    """A gateway cannot be started, or has ended."""


class Gateway:
    """The gateway of this host, in a process of its own.

    It ends when this process does, however that ends. Any thread may call its methods.

    Attributes:
        address: where other hosts' gateways reach it, as `host:port`.
    """

    address: str

    def __init__(
        self, popen: subprocess.Popen[bytes], control: socket.socket, ports: Mapping[str, int]
    ):
        """Takes what `start` has started."""
        self._ports = ports
        self._popen = popen
        self._control = control
        self._lock = threading.Lock()

    @classmethod
    def start(
        cls, keys: HostKeys, ports: Mapping[Role, int], host: str, network: Sequence[int] = ()
    ) -> Gateway:
        """Starts it. No service has a route yet: whoever connects to one is refused.

        Args:
            keys: made for `host`, by which other hosts check that they have reached it.
            ports: the port on the loopback interface at which the run's processes find each
                service, the same on every host.
            host: the address of this host on which others reach it; it listens on no other.
            network: what `private_network.join` takes; empty where the run's processes are in the
                host's own network.

        Raises:
            GatewayError: it does not start.
        """
        control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        control.settimeout(_PATIENCE_S)
        with other:
            popen = subprocess.Popen(
                interpreter.command("quinoa.launch.engines.ray.gateway.main", str(other.fileno())),
                pass_fds=[*network, other.fileno()],
                stdin=subprocess.DEVNULL,
                # A group of its own, or Ctrl-C in the terminal would reach it too.
                start_new_session=True,
            )
        gateway = cls(popen, control, {str(role): port for role, port in ports.items()})
        try:
            answer = gateway._ask(
                {
                    "keys": dataclasses.asdict(keys),
                    "ports": gateway._ports,
                    "host": host,
                    "network": list(network),
                }
            )
        except BaseException:
            gateway.close()
            raise
        gateway.address = answer["address"]
        return gateway

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; a gateway that has ended is to be replaced by another."""
        return self._popen.poll()

    def route(self, role: Role, gateway: str | None) -> None:
        """Says where a service is now.

        If that is not where it was, connections to it are cut, those of this host's processes and
        those of other hosts, so that clients connect again. When this returns, the service's port
        on this host is free for a service that is to be here.

        Args:
            role: whose service it is, a key of `ports`.
            gateway: the address of another host's gateway; None for this host.

        Raises:
            GatewayError: the gateway has ended, or cannot listen.
            ValueError: the service has no port, or that is no address.
        """
        if str(role) not in self._ports:
            raise ValueError(f"This gateway was given no port for the {role}.")
        if gateway is not None:
            split_address(gateway)
        self._ask({"name": str(role), "gateway": gateway})

    def close(self) -> None:
        """Cuts all connections and ends the gateway."""
        self._control.close()
        try:
            self._popen.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()

    def __enter__(self) -> Gateway:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, message: Mapping[str, Any]) -> Any:
        with self._lock:
            try:
                self._control.send(json.dumps(message).encode())
                answer = self._control.recv(MESSAGE_BYTES)
            except OSError as error:
                raise GatewayError(f"The gateway of this host does not answer: {error}.") from error
        if not answer:
            raise GatewayError("The gateway of this host has ended.")
        answered = json.loads(answer)
        if "error" in answered:
            raise GatewayError(f"The gateway of this host fails: {answered['error']}")
        return answered
