"""A stranger within the run's network, who sends what no protocol has."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import sys

from quinoa.launch.machine import private_network

NUM_CONNECTIONS = 100
_MAX_BYTES = 4096
_TIMEOUT_S = 5.0


def _main(process_id: int, ports: list[int], seed: int) -> None:
    """Joins a process's network; to each port, a hundred connections with a few bytes or many."""
    here, there = (os.stat(f"/proc/{of}/ns/net").st_ino for of in ("self", process_id))
    if here != there:
        kinds = ("net",) if os.getuid() == 0 else ("user", "net")
        private_network.join(
            [os.open(f"/proc/{process_id}/ns/{kind}", os.O_RDONLY) for kind in kinds]
        )
    rng = random.Random(seed)
    left_open = []
    for port in ports:
        for _ in range(NUM_CONNECTIONS):
            connection = socket.create_connection(("localhost", port), _TIMEOUT_S)
            # Whoever is sent such things may well hang up.
            with contextlib.suppress(OSError):
                connection.sendall(rng.randbytes(rng.randrange(_MAX_BYTES)))
            left_open.append(connection)
    for connection in left_open:
        connection.close()


if __name__ == "__main__":
    _main(int(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]))
