"""Waiting for a Reverb server that may be starting."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from quinoa.agents.replay import items

if TYPE_CHECKING:
    import reverb

# Seconds for which a server is waited for: as long as one takes that reads a large checkpoint on a
# busy machine; and how long the first question lasts, and the longest, before `should_stop` is
# asked again. Where many ask at once, the answer may take more than the first one allows.
_TIMEOUT_S = 300.0
_ANSWER_S = 1
_LONGEST_ANSWER_S = 8

_Answer = TypeVar("_Answer")


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
    import reverb

    answer: Mapping[str, Any] | None = _answer(
        client.server_info,
        (reverb.errors.ReverbError, RuntimeError),
        client.server_address,
        should_stop,
    )
    return answer or {}


def wait_to_write(server_address: str, should_stop: Callable[[], bool] | None = None) -> bool:
    """Does the same for one that only writes to the server, without importing TensorFlow.

    Args:
        server_address: "host:port".
        should_stop: see `wait_for_server`.

    Returns:
        Whether it has answered; False if `should_stop` ended the wait.

    Raises:
        ConnectionError: see `wait_for_server`.
    """
    question = items.question(server_address)

    def ask(timeout_s: int) -> bool:
        question(timeout_s)
        return True

    return _answer(ask, (RuntimeError,), server_address, should_stop) is not None


def _answer(
    ask: Callable[[int], _Answer],
    failures: tuple[type[Exception], ...],
    address: str,
    should_stop: Callable[[], bool] | None,
) -> _Answer | None:
    deadline, timeout_s = time.monotonic() + _TIMEOUT_S, _ANSWER_S
    while should_stop is None or not should_stop():
        try:
            return ask(timeout_s)
        except failures as error:
            if time.monotonic() >= deadline:
                raise ConnectionError(
                    f"No Reverb server answers at {address} within {_TIMEOUT_S:.0f} s."
                ) from error
        timeout_s = min(2 * timeout_s, _LONGEST_ANSWER_S)
    return None
