"""A slow and lossy link, as `tc netem` makes one, for kernels that are built without it.

Run as a script in the network of the switch: `shaping.py LINK LATENCY_MS LOSS MBIT`. It carries
frames between the interface LINK, which leads to a host, and a tunnel that it makes, `LINK-slow`,
which takes its place in the bridge.
"""

from __future__ import annotations

import collections
import contextlib
import fcntl
import os
import random
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

# From <linux/if_tun.h>, <linux/if_packet.h> and <linux/if_ether.h>.
_TUNSETIFF, _TUNSETOFFLOAD, _TUN_F_CSUM = 0x400454CA, 0x400454D0, 1
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
_SOL_PACKET, _PACKET_VNET_HDR, _PACKET_OUTGOING = 263, 15, 4
_ETH_P_ALL = 3

# Frames are read and written with this header before them (struct virtio_net_hdr). It says which
# of them have no checksum yet: no frame between namespaces has one.
_HEADER = 10
_LARGEST = _HEADER + 65536 + 14
# A link drops what it cannot send within this many seconds.
_QUEUE = 0.2


@dataclass
class Direction:
    """One way of a link: when which frame arrives.

    Attributes:
        send: what sends a frame on.
        latency: seconds that each frame waits.
        loss: the share of frames that is dropped.
        rate: bytes/s; 0 for no limit.
    """

    send: Callable[[bytes], object]
    latency: float
    loss: float
    rate: float
    _on_the_way: collections.deque[tuple[float, bytes]] = field(default_factory=collections.deque)
    _free_at: float = 0

    def take(self, frame: bytes, now: float) -> None:
        """Takes a frame that was sent at a time."""
        if random.random() < self.loss:
            return
        start = max(now, self._free_at)
        if start - now > _QUEUE:
            return
        if self.rate:
            self._free_at = start + (len(frame) - _HEADER) / self.rate
        self._on_the_way.append((max(now, self._free_at) + self.latency, frame))

    def deliver(self, now: float) -> float:
        """Sends on what has arrived by a time; returns in how many seconds the next one does."""
        while self._on_the_way and self._on_the_way[0][0] <= now:
            # While the interface is down, or its queue is full, frames are lost.
            with contextlib.suppress(OSError):
                self.send(self._on_the_way.popleft()[1])
        return self._on_the_way[0][0] - now if self._on_the_way else 1.0


def main(link: str, latency_ms: str, loss: str, mbit: str) -> None:
    """Shapes a link until it is killed."""
    tunnel = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    flags = _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR
    fcntl.ioctl(tunnel, _TUNSETIFF, struct.pack("16sH", f"{link}-slow".encode(), flags))
    fcntl.ioctl(tunnel, _TUNSETOFFLOAD, _TUN_F_CSUM)
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    wire.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
    wire.bind((link, 0))
    wire.setblocking(False)

    def from_tunnel() -> bytes:
        return os.read(tunnel, _LARGEST)

    def from_wire() -> bytes:
        while True:
            frame, (_, _, kind, *_) = wire.recvfrom(_LARGEST)
            if kind != _PACKET_OUTGOING:
                return frame

    settings = (float(latency_ms) / 1e3, float(loss), float(mbit) * 1e6 / 8)
    to_host = Direction(wire.send, *settings)
    from_host = Direction(lambda frame: os.write(tunnel, frame), *settings)
    print("up", flush=True)
    wait = 0.0
    while True:
        select.select([tunnel, wire.fileno()], [], [], max(wait, 0))
        for read, direction in ((from_tunnel, to_host), (from_wire, from_host)):
            # Until nothing is left to read, or the interface is down.
            with contextlib.suppress(OSError):
                for _ in range(64):
                    direction.take(read(), time.monotonic())
        now = time.monotonic()
        wait = min(to_host.deliver(now), from_host.deliver(now))


if __name__ == "__main__":
    main(*sys.argv[1:])
