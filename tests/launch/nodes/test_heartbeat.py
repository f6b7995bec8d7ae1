from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from quinoa.launch.nodes import heartbeat
from quinoa.launch.nodes.heartbeat import Heartbeat
from tests.launch.helpers import descriptors, descriptors_are_back_at


@pytest.fixture
def heard():
    made = Heartbeat()
    yield made
    made.close()


@pytest.fixture
def attached(heard, monkeypatch):
    """This process's own heart, for the time of a test."""
    monkeypatch.setattr(heartbeat, "_count", None)
    heartbeat.attach(os.dup(heard.descriptor))
    return heard


def test_a_process_is_heard_by_the_one_that_started_it(heard):
    program = (
        "import sys; from quinoa.launch.nodes import heartbeat; "
        "heartbeat.attach(int(sys.argv[1])); "
        "[heartbeat.beat() for _ in range(1000)]"
    )
    command = [sys.executable, "-c", program, str(heard.descriptor)]
    assert heard.count == 0
    subprocess.run(command, pass_fds=[heard.descriptor], check=True, timeout=60)
    assert heard.count == 1000


def test_any_thread_may_beat(attached):
    threads = [threading.Thread(target=heartbeat.beat) for _ in range(4)]
    for thread in threads:
        before = attached.count
        thread.start()
        thread.join()
        assert attached.count != before


def test_a_question_that_is_asked_is_a_sign_of_life(attached):
    answers = iter([False, True])
    ask = heartbeat.beating(lambda: next(answers))
    assert not ask()
    assert attached.count == 1
    assert ask()
    assert attached.count == 2


def test_where_nobody_listens_nothing_happens(monkeypatch):
    monkeypatch.setattr(heartbeat, "_count", None)
    heartbeat.beat()
    assert heartbeat.beating(lambda: True)()


def test_nothing_is_left_of_it():
    before = descriptors()
    for _ in range(20):
        Heartbeat().close()
    assert descriptors_are_back_at(before)
