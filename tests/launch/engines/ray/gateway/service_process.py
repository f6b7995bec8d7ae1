"""Processes in a private network, for tests: one has a Reverb server and a Courier server.

The other sends a Courier server what does something when it is unpickled.
"""

from __future__ import annotations

import os
import sys

import courier

from quinoa.launch.machine import lean_imports, private_network


class Marker:
    """Unpickled, it makes a folder: what anyone who reaches a Courier server may do, or worse."""

    def __init__(self, path: str):
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (self._path,)


def attack(address: str, path: str, timeout_s: float) -> None:
    """Sends a Courier server what makes a folder when it is unpickled."""
    courier.Client(address, call_timeout=timeout_s).count_to(Marker(path))


def serve(replay_port: str, learner_port: str) -> None:
    lean_imports.import_tensorflow()
    import numpy as np
    import reverb

    table = reverb.Table.queue("queue", max_size=100)
    replay = reverb.Server([table], port=int(replay_port))
    learner = courier.Server("learner", port=int(learner_port))
    learner.Bind("count_to", lambda end: np.arange(end, dtype=np.float32))
    learner.Start()
    print("ready", flush=True)
    sys.stdin.read()
    replay.stop()


def main(task: str, network: str, *arguments: str) -> None:
    private_network.join([int(number) for number in network.split(",")])
    if task == "serve":
        serve(*arguments)
    else:
        address, path = arguments
        attack(address, path, 20.0)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as error:
        print(error, flush=True)
    os._exit(0)
