"""The main program of a gateway's process, which `process.Gateway` starts and commands.

Both talk by a socket pair, a JSON message a packet. The first has everything that the gateway
needs, keys included; each gets one answer. The process ends when the other end is closed, which the
kernel does if its process is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from typing import Any

from quinoa.launch.engines.ray.gateway.keys import HostKeys
from quinoa.launch.engines.ray.gateway.proxy import Proxy
from quinoa.launch.engines.ray.gateway.run_network import RunNetwork
from quinoa.launch.terminal.output import say

MESSAGE_BYTES = 64 * 1024


def main() -> int:
    """Runs the gateway; returns the exit status."""
    control = socket.socket(fileno=int(sys.argv[1]))
    settings = json.loads(control.recv(MESSAGE_BYTES))
    try:
        # Before there is an event loop: it forks.
        network = RunNetwork(settings["network"])
        return asyncio.run(_run(control, settings, network))
    except OSError as error:
        _answer(control, {"error": str(error)})
        return 1


async def _run(control: socket.socket, settings: dict[str, Any], network: RunNetwork) -> int:
    proxy = Proxy(HostKeys(**settings["keys"]), settings["ports"], settings["host"], network)
    _answer(control, {"address": proxy.address})
    loop = asyncio.get_running_loop()
    end: asyncio.Future[int] = loop.create_future()

    def command() -> None:
        try:
            message = control.recv(MESSAGE_BYTES)
        except OSError:
            message = b""
        if message:
            answer = {}
            try:
                proxy.route(**json.loads(message))
            except OSError as error:
                answer = {"error": str(error)}
            _answer(control, answer)
        elif not end.done():
            end.set_result(0)

    def lost() -> None:
        say("quinoa: the gateway has lost the run's private network, and ends.", sys.stderr)
        if not end.done():
            end.set_result(1)

    loop.add_reader(control, command)
    network.on_loss(lost)
    try:
        return await end
    finally:
        loop.remove_reader(control)
        proxy.close()


def _answer(control: socket.socket, answer: dict[str, Any]) -> None:
    # If nobody waits for it any more, the end follows.
    with contextlib.suppress(OSError):
        control.send(json.dumps(answer).encode())


if __name__ == "__main__":
    sys.exit(main())
