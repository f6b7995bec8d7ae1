"""Waiting for a Reverb server that may be starting."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import reverb

# Seconds for which a server is waited for: as long as one takes that reads a large checkpoint on a
# busy machine; and how long one question lasts before `should_stop` is asked again.
_TIMEOUT_S = 300.0
_ANSWER_S = 1


def wait_for_server(
    client: reverb.Client, should_stop: Callable[[], bool] | None = None
) -> Mapping[str, Any]:
    """Waits until a server answers. Most of what a client does waits for that for ever by itself.

    Args:
        client: of the server.
        should_stop: asked every second; ends the wait when it is true.

    Returns:
        What the server says of its tables, by name; nothing if `should_stop` ended the wait.

    Raises:
        ConnectionError: it has not answered for 300 s.
    """
    deadline = time.monotonic() + _TIMEOUT_S
    while should_stop is None or not should_stop():
        try:
            tables: Mapping[str, Any] = client.server_info(_ANSWER_S)
            return tables
        except (reverb.errors.ReverbError, RuntimeError) as error:
            if time.monotonic() >= deadline:
                raise ConnectionError(
                    f"No Reverb server answers at {client.server_address} within {_TIMEOUT_S:.0f} "
                    "s."
                ) from error
    return {}
