"""Waiting until a service listens, before a client of gRPC is made for it.

A client that finds nobody listening tries again after a second, and later after more. So a service
that starts a moment after its clients would be waited for that long.
"""

from __future__ import annotations

import socket
import time

_LOOK_S = 0.02


def wait_until_listening(address: str, timeout_s: float) -> None:
    """Waits until something accepts connections; one is made and closed again.

    Args:
        address: `host:port`.
        timeout_s: seconds to wait at most.

    Raises:
        ConnectionError: nothing does.
    """
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + timeout_s
    while (left_s := deadline - time.monotonic()) > 0:
        try:
            socket.create_connection((host.strip("[]"), int(port)), left_s).close()
            return
        except OSError as error:
            reason = error
        time.sleep(_LOOK_S)
    raise ConnectionError(f"Nothing listens at {address}: {reason}")
