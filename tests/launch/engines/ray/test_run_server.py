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
from quinoa.launch.run.result import Outcome, RunResult
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import write_json
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
def serve(tmp_path, monkeypatch, same_environment_variables):
    """Starts a server, whose actor would have ended itself when the test is over."""
    ended = threading.Semaphore(0)
    monkeypatch.setattr(run_server, "_was_started_again", lambda: False)
    monkeypatch.setattr(run_server, "_end_this_actor", ended.release)
    monkeypatch.setattr(run_server, "_KEEP_S", 0.2)
    monkeypatch.chdir(tmp_path)
    num_made = 0

    def make(function, *arguments, resuming=()):
        nonlocal num_made
        num_made += 1
        folder = RunFolder(tmp_path)
        return RunServer(function, arguments, resuming, folder, dict(os.environ), tmp_path, EVENTS)

    yield make
    assert all(ended.acquire(timeout=30) for _ in range(num_made))


@pytest.fixture
def restart(serve, tmp_path, monkeypatch):
    """Starts a server anew as Ray does when the first one is lost, of a run that counts to 1.

    Resumed, it counts to 2.
    """
    RunFolder(tmp_path).experiment.write_text("{}")

    def make():
        monkeypatch.setattr(run_server, "_was_started_again", lambda: True)
        return serve(counts, str(tmp_path), 1, resuming=(str(tmp_path), 2))

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


def test_a_run_that_had_ended_is_not_resumed_when_its_server_is_lost(
    serve, restart, tmp_path, monkeypatch
):
    """However it ended: this one was stopped, by its user."""
    first = serve(counts, str(tmp_path), 1)
    assert wait_until(lambda: is_over(first), 60)
    write_json(RunFolder(tmp_path).result, RunResult(Outcome.STOPPED).to_json())
    second = restart()
    assert wait_until(lambda: is_over(second), 60)
    news = second.news(0, 0.0)
    assert (news.folder, news.outcome, news.error) == (str(tmp_path), {"counted": 1}, None)
    assert news.lines == []
    # A user resumes it all the same.
    monkeypatch.setattr(run_server, "_was_started_again", lambda: False)
    third = serve(counts, str(tmp_path), 3)
    assert wait_until(lambda: is_over(third), 60)
    assert third.news(0, 0.0).outcome == {"counted": 3}


def test_the_error_of_a_run_that_had_ended_is_told_again(serve, restart):
    first = serve(counts, threading.Lock())
    assert wait_until(lambda: is_over(first), 60)
    second = restart()
    assert wait_until(lambda: is_over(second), 60)
    assert second.news(0, 0.0).error == first.news(0, 0.0).error


@pytest.mark.parametrize(
    ("outcome", "counted"), [(Outcome.FINISHED, None), (Outcome.STOPPED, 2), (Outcome.FAILED, 2)]
)
def test_a_run_that_stopped_because_its_server_was_lost_is_resumed(
    restart, tmp_path, outcome, counted
):
    """One that came to its end all the same is not."""
    result = RunResult(outcome)
    write_json(RunFolder(tmp_path).result, result.to_json())
    server = restart()
    assert wait_until(lambda: is_over(server), 60)
    told = server.news(0, 0.0).outcome
    if counted is None:
        assert told == {"result": result.to_json(), "evaluation_error": None}
    else:
        assert told == {"counted": counted}


def test_a_run_whose_end_is_recorded_in_a_damaged_file_is_resumed(restart, tmp_path):
    RunFolder(tmp_path).cluster_end.write_text('{"outcome"')
    server = restart()
    assert wait_until(lambda: is_over(server), 60)
    assert server.news(0, 0.0).outcome == {"counted": 2}
