from __future__ import annotations

import types

import pytest

from quinoa.agents.replay import items, wait_for_server, wait_to_write


class Server:
    """Answers the sixth question; remembers how long each was to last, and who asked."""

    server_address = "localhost:1"

    def __init__(self) -> None:
        self.timeouts: list[int] = []
        self.num_connections = 0

    def server_info(self, timeout_s: int) -> dict[str, str]:
        self.timeouts.append(timeout_s)
        if len(self.timeouts) < 6:
            raise RuntimeError("no answer in time")
        return {"table": "information"}

    def connect(self, address: str) -> types.SimpleNamespace:
        assert address == self.server_address
        self.num_connections += 1
        return types.SimpleNamespace(ServerInfo=self.server_info)


@pytest.fixture
def server(monkeypatch) -> Server:
    made = Server()
    extension = types.SimpleNamespace(Client=made.connect)
    monkeypatch.setattr(items, "_extension", lambda: extension)
    return made


def test_where_an_answer_takes_long_questions_last_longer(server):
    assert wait_for_server(server) == {"table": "information"}
    assert server.timeouts == [1, 2, 4, 8, 8, 8]


def test_one_that_only_writes_asks_so_too_and_connects_once(server):
    assert wait_to_write(server.server_address)
    assert server.timeouts == [1, 2, 4, 8, 8, 8]
    assert server.num_connections == 1


def test_it_stops_between_two_questions(server):
    assert wait_for_server(server, lambda: len(server.timeouts) == 2) == {}
    assert server.timeouts == [1, 2]
    assert not wait_to_write(server.server_address, lambda: True)
