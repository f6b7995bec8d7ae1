"""What the actors of a host share of the learner's parameters."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest

from quinoa.agents.parameters import PublishedParameters
from quinoa.launch.nodes import host_parameters
from quinoa.launch.nodes.host_parameters import HostParameters, SharedMemory
from tests.launch.helpers import ROOT, wait_until
from tests.launch.nodes.asking import SIZE


class Learner:
    """What answers, and how often it was asked."""

    def __init__(self) -> None:
        self._published = PublishedParameters()
        self.num_questions = 0
        self.num_answers = 0
        self.is_down = False

    def publish(self, version: int) -> None:
        self._published.publish(version, np.full(SIZE, version, np.float32))

    def get(self, known_version: int):
        self.num_questions += 1
        if self.is_down:
            raise RuntimeError("the learner is down")
        newest = self._published.get(known_version)
        self.num_answers += newest is not None
        return newest


@pytest.fixture
def learner() -> Learner:
    made = Learner()
    made.publish(3)
    return made


@pytest.fixture
def memory() -> Iterator[SharedMemory]:
    with contextlib.closing(SharedMemory()) as made:
        yield made


def of_processes(number: int, learner: Learner, memory: SharedMemory, period_s: float = 60.0):
    """As each of so many processes of a host has it."""
    return [
        HostParameters(learner.get, memory.descriptor, period_s=period_s) for _ in range(number)
    ]


def test_all_get_what_one_has_fetched_and_know_it_then(learner, memory):
    processes = of_processes(5, learner, memory)
    for get in processes:
        version, parameters = get(-1)
        assert version == 3
        np.testing.assert_array_equal(parameters, np.full(SIZE, 3, np.float32))
        assert get(3) is None
    assert learner.num_questions == 1


def test_who_has_not_the_newest_of_the_host_does_not_ask_for_newer_ones(learner, memory):
    """The learner may keep the question waiting, and nothing newer would come before it acts."""
    one, other = of_processes(2, learner, memory, period_s=0.0)
    assert one(-1)[0] == 3
    assert other(-1)[0] == 3
    assert learner.num_questions == 1
    assert other(3) is None
    assert learner.num_questions == 2


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("number", [1, 8, 64])
def test_the_learner_is_asked_once_a_period_and_nobody_is_two_periods_behind(
    learner, memory, clock, number
):
    """One period of the host's question, and one of the process's own."""
    period_s, periods, ticks = 1.0, 10, 64
    processes = of_processes(number, learner, memory, period_s)
    known = [-1] * number
    # When each version was published.
    published: list[float] = []
    for tick in range(periods * ticks):
        clock[0] = 1000.0 + tick * period_s / ticks
        published.append(clock[0])
        learner.publish(len(published) - 1)
        for index, get in enumerate(processes):
            # Each in its turn, once a period.
            if tick % ticks == index * ticks // number:
                newest = get(known[index])
                if newest is not None:
                    known[index] = newest[0]
        if tick >= 2 * ticks:
            assert clock[0] - published[min(known)] <= 2 * period_s
    assert learner.num_questions == learner.num_answers == periods


def test_a_learner_that_has_gone_back_is_followed(learner, memory):
    """One that was restarted from a checkpoint is behind what its actors had last."""
    one, other = of_processes(2, learner, memory, period_s=0.0)
    assert one(-1)[0] == 3
    learner.publish(1)
    assert other(3)[0] == 1
    assert one(3)[0] == 1


def test_a_learner_that_is_down_is_asked_once_a_period_and_all_get_to_know(learner, memory, clock):
    asking, *others = of_processes(3, learner, memory, period_s=1.0)
    assert all(get(-1) is not None for get in (asking, *others))
    learner.is_down = True
    clock[0] += 4.0
    with pytest.raises(RuntimeError, match="is down"):
        asking(3)
    # For a while it may only be slow.
    assert [get(3) for get in others] == [None, None]
    clock[0] += 3.0
    with pytest.raises(RuntimeError, match="is down"):
        asking(3)
    for get in others:
        with pytest.raises(ConnectionError, match="has not answered this host for 7 s"):
            get(3)
    assert learner.num_questions == 3
    learner.is_down = False
    learner.publish(4)
    clock[0] += 1.0
    assert [get(3)[0] for get in (*others, asking)] == [4, 4, 4]
    assert learner.num_questions == 4


@contextlib.contextmanager
def process_that_is(what: str, memory: SharedMemory) -> Iterator[subprocess.Popen[str]]:
    """A process that asks, as `asking` has it by this name, and has begun to."""
    command = [sys.executable, "-m", "tests.launch.nodes.asking", str(memory.descriptor), what]
    with subprocess.Popen(
        command, cwd=ROOT, pass_fds=[memory.descriptor], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "asking\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def stuck(memory):
    """A process that is asking the learner, for ever."""
    with process_that_is("never_answered", memory) as process:
        yield process


def test_when_the_one_that_asks_is_killed_another_asks(learner, memory, stuck):
    (get,) = of_processes(1, learner, memory, period_s=0.01)
    assert get(-1) is None
    os.kill(stuck.pid, signal.SIGKILL)
    assert wait_until(lambda: get(-1) is not None, 10)
    assert learner.num_questions == 1


def test_when_the_one_that_asks_hangs_the_others_ask_for_themselves(
    learner, memory, stuck, monkeypatch
):
    os.kill(stuck.pid, signal.SIGSTOP)
    get, other = of_processes(2, learner, memory, period_s=0.01)
    assert get(-1) is None
    monkeypatch.setattr(host_parameters, "_HANGING_S", 0.2)
    time.sleep(0.3)
    assert get(-1)[0] == other(-1)[0] == 3
    assert learner.num_questions == 2


def test_what_is_read_is_whole_while_another_process_writes_and_when_it_is_killed(memory):
    def ask(known_version: int):
        raise AssertionError(known_version)

    get = HostParameters(ask, memory.descriptor, period_s=60.0)
    for _ in range(3):
        with process_that_is("always_new", memory):
            versions: set[int] = set()

            def has_seen_some(versions: set[int] = versions) -> bool:
                for _ in range(100):
                    newest = get(-1)
                    if newest is not None:
                        versions.add(newest[0])
                        assert np.all(newest[1] == newest[0])
                return len(versions) > 50

            assert wait_until(has_seen_some, 30)
        newest = get(-1)
        assert newest is not None and np.all(newest[1] == newest[0])


def test_a_process_that_shares_no_memory_asks_for_itself(learner, memory, monkeypatch):
    monkeypatch.setattr(host_parameters, "_shared", None)
    assert host_parameters.for_all_of_the_host(learner.get, period_s=1.0) == learner.get
    host_parameters.attach(memory.descriptor)
    for _ in range(2):
        newest = host_parameters.for_all_of_the_host(learner.get, period_s=60.0)(-1)
        assert newest is not None and newest[0] == 3
    assert learner.num_questions == 1
