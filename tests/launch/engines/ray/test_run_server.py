"""The server of a run, without Ray around it: what it tells its followers."""

from __future__ import annotations

import os
import sys
import threading
import time

import cloudpickle
import pytest

from quinoa.launch.engines.ray import run_server
from quinoa.launch.engines.ray.run_server import RunServer
from quinoa.launch.run import scale
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.helpers import wait_until

cloudpickle.register_pickle_by_value(sys.modules[__name__])
EVENTS = ("started", "status")


def counts(channel, root, number):
    channel.send("started", root)
    for i in range(number):
        print(f"line {i}", flush=True)
    channel.send("status", {"of": number})
    return {"counted": number}


def waits_for_a_stop(channel, root):
    import signal

    stopped = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    channel.send("started", root)
    while len(stopped) < 2:
        time.sleep(0.02)
    return {"stopped": len(stopped)}


@pytest.fixture
def ended(monkeypatch):
    """Set when the actor of the server would have ended itself."""
    event = threading.Event()
    monkeypatch.setattr(run_server, "_was_started_again", lambda: False)
    monkeypatch.setattr(run_server, "_end_this_actor", event.set)
    monkeypatch.setattr(run_server, "_KEEP_S", 0.2)
    yield event
    assert event.wait(30)


@pytest.fixture
def serve(ended, tmp_path, monkeypatch, same_environment_variables):
    monkeypatch.chdir(tmp_path)

    def make(function, *arguments):
        folder = RunFolder(tmp_path)
        return RunServer(function, arguments, (), folder, dict(os.environ), tmp_path, EVENTS)

    return make


def is_over(server: RunServer) -> bool:
    return server.news(0, 0.0).is_over


def test_it_tells_what_a_run_prints_and_how_it_ends(serve, tmp_path):
    server = serve(counts, str(tmp_path), 700)
    assert wait_until(lambda: is_over(server), 60)
    news = server.news(0, 0.0)
    assert (news.folder, news.status) == (str(tmp_path), {"of": 700})
    assert (news.outcome, news.error) == ({"counted": 700}, None)
    # The newest lines alone are kept.
    assert (news.next_line, len(news.lines)) == (700, 500)
    assert news.lines[-1] == "line 699"
    assert server.news(698, 0.0).lines == ["line 698", "line 699"]
    assert server.news(700, 0.0).lines == []
    # What a client asks for that has followed a server before this one.
    assert server.news(9000, 0.0).next_line == 700
    assert (server.stop(), server.scale(3)) == (False, False)


def test_a_run_that_cannot_be_started_does_not_keep_its_followers_waiting(serve):
    server = serve(counts, threading.Lock())
    assert wait_until(lambda: is_over(server), 60)
    name, message = server.news(0, 0.0).error
    assert name == "RunError"
    assert "could not be started" in message
    assert "cannot pickle" in message


def test_it_is_scaled_once_it_has_begun_and_every_stop_arrives(serve, tmp_path):
    server = serve(waits_for_a_stop, str(tmp_path))
    assert wait_until(lambda: server.news(0, 0.1).folder is not None, 60)
    assert server.scale(3)
    assert scale.wanted(RunFolder(tmp_path)) == 3
    assert server.stop()
    assert server.stop()
    assert wait_until(lambda: is_over(server), 60)
    assert server.news(0, 0.0).outcome == {"stopped": 2}
