"""The connection of this process to a Ray cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from quinoa.launch.engines.ray.gateway.sockets import reason, split_address
from quinoa.launch.errors import ExperimentError

# All that is ours in a cluster has its names here.
NAMESPACE = "quinoa-runs"
# Seconds that the head of a cluster has to accept a connection.
_ANSWER_S = 5.0
_POLL_S = 0.2


def require_ray() -> None:
    """Raises `ExperimentError` where Ray is not installed."""
    try:
        import ray  # noqa: F401
    except ImportError:
        raise ExperimentError(
            "The Ray engine needs Ray, which is not installed: `make setup RAY=1` in a clone of "
            "Quinoa, or `pip install 'path/to/quinoa[ray]'`."
        ) from None


def use_token(environment: MutableMapping[str, str]) -> None:
    """Has Ray authenticate by the user's token, where there is one and nothing else is said.

    By itself Ray ignores the token, and then takes a cluster that refuses it for one that is gone.

    Args:
        environment: the variables of this process.
    """
    kept = Path(environment.get("HOME") or Path.home()) / ".ray" / "auth_token"
    if "RAY_AUTH_TOKEN" in environment or "RAY_AUTH_TOKEN_PATH" in environment or kept.is_file():
        environment.setdefault("RAY_AUTH_MODE", "token")


def address() -> str:
    """The address of the cluster that this process is connected to."""
    import ray

    return str(ray.get_runtime_context().gcs_address)


@contextlib.contextmanager
def connected(address: str) -> Iterator[None]:
    """Connects this process to a cluster, and disconnects it at the end of the context.

    Does nothing in a process that is connected.

    Args:
        address: of the cluster's head, `HOST:PORT`; `auto` for that of this machine.

    Raises:
        ExperimentError: Ray is not installed, or no cluster answers.
    """
    # First: Ray reads it when it is imported.
    use_token(os.environ)
    require_ray()
    import ray

    if ray.is_initialized():
        yield
        return
    try:
        _require_answer(address)
        with _same_handler():
            ray.init(
                address=address,
                namespace=NAMESPACE,
                logging_level=logging.ERROR,
                configure_logging=False,
                log_to_driver=False,
            )
    # Of many types, some of them Ray's own.
    except Exception as error:
        lines = str(error).strip().splitlines()
        raise ExperimentError(
            f"No Ray cluster answers at --ray_address={address} "
            f"({lines[0] if lines else type(error).__name__}): start one with `ray start "
            "--head`, and run this on one of its hosts."
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Finds out fast whether anything is at the address of a cluster's head.

    Ray itself waits for minutes where nothing is, such as at the address that a cluster which was
    killed has left in /tmp/ray.

    Args:
        address: see `connected`.

    Raises:
        ConnectionError: nothing answers there, or there is no address.
        ValueError: it is no address.
    """
    from ray._private import services

    found = services.canonicalize_bootstrap_address(address)
    if found is None:
        raise ConnectionError("that is no address of a cluster")
    deadline = time.monotonic() + _ANSWER_S
    while True:
        try:
            socket.create_connection(split_address(found), _ANSWER_S).close()
            return
        except OSError as error:
            # It may be about to start.
            if time.monotonic() + _POLL_S > deadline:
                raise ConnectionError(f"{found}: {reason(error)}") from error
            time.sleep(_POLL_S)


@contextlib.contextmanager
def _same_handler() -> Iterator[None]:
    """Leaves SIGTERM's handler as it is: Ray sets one that ends the process."""
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if is_main:
            signal.signal(signal.SIGTERM, before)
