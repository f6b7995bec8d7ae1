from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import portpicker
import pytest

from quinoa.launch.nodes.listening import wait_until_listening


@pytest.fixture
def unused() -> Iterator[int]:
    port = portpicker.pick_unused_port()
    yield port
    portpicker.return_port(port)


def test_waits_until_something_listens(unused):
    with contextlib.ExitStack() as closing:
        listening = threading.Event()

        def listen() -> None:
            server = closing.enter_context(socket.create_server(("localhost", unused)))
            listening.set()
            closing.enter_context(server.accept()[0])

        timer = threading.Timer(0.1, listen)
        timer.start()
        wait_until_listening(f"localhost:{unused}", 30.0)
        assert listening.is_set()
        timer.join()


def test_says_what_does_not_listen(unused):
    with pytest.raises(ConnectionError, match=f"localhost:{unused}"):
        wait_until_listening(f"localhost:{unused}", 0.05)
