"""A function in a process of its own: what is heard of it, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from quinoa.launch.checkpoints.checkpoint_folder import DamagedError, VerifiedFolder
from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.machine.child_process import PRINTED, Channel, ChildError, ChildProcess


def _heard(child: ChildProcess, timeout_s: float = 60.0) -> list[tuple[str, object]]:
    events, until = [], time.monotonic() + timeout_s
    while not child.is_over:
        assert time.monotonic() < until
        events += child.read(0.2)
    return events


def test_events_and_what_is_printed_are_heard_in_order():
    def function(channel, first):
        channel.send("begun", first)
        print("a line\nand the next", flush=True)
        channel.send("done", [1, 2])
        sys.stdout.write("without an end")
        return {"value": 3}

    child = ChildProcess(function, "x")
    events = _heard(child)
    assert [event for event in events if event[0] != PRINTED] == [("begun", "x"), ("done", [1, 2])]
    printed = [value for name, value in events if name == PRINTED]
    assert printed == ["a line", "and the next", "without an end"]
    assert child.value() == {"value": 3}


def test_a_line_of_any_length_is_heard_whole():
    length = 10**7

    def function(channel):
        sys.stdout.write("x" * length)

    assert _heard(ChildProcess(function)) == [(PRINTED, "x" * length)]


def test_it_is_over_although_a_process_is_left_that_holds_its_pipes():
    def function(channel):
        print("started", subprocess.Popen(["sleep", "100"]).pid, flush=True)
        return 1

    child = ChildProcess(function)
    events = _heard(child, 50)
    left = psutil.Process(int(str(events[0][1]).split()[1]))
    try:
        assert child.value() == 1 and left.is_running()
    finally:
        left.kill()


def test_errors_are_those_of_the_function():
    def refused(channel):
        raise ExperimentError("no such thing")

    def damaged(channel):
        raise DamagedError(VerifiedFolder(Path("7")), ValueError("it is empty"))

    def wrong(channel):
        raise ZeroDivisionError("of its own")

    for function, kind, message in (
        (refused, ExperimentError, "no such thing"),
        (damaged, RunError, r"^The checkpoint 7 is damaged \(it is empty\)"),
        (wrong, ChildError, "ZeroDivisionError: of its own"),
    ):
        child = ChildProcess(function)
        _heard(child)
        with pytest.raises(kind, match=message):
            child.value()


def test_one_that_is_killed_is_said_to_be_with_what_it_printed():
    def function(channel):
        print("last words", flush=True)
        # An event that is not told to its end.
        os.write(channel._descriptor, b'{"event": "beg')
        os.kill(os.getpid(), signal.SIGKILL)

    child = ChildProcess(function)
    _heard(child)
    with pytest.raises(ChildError, match=r"last words\nThe process of the run ended by SIGKILL"):
        child.value()


def test_kill_ends_one_that_takes_two_signals():
    def function(channel):
        asked = []
        signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
        channel.send("ready", None)
        while len(asked) < 2:
            time.sleep(0.01)

    child = ChildProcess(function)
    while not child.read(1.0):
        pass
    begun = time.monotonic()
    child.kill()
    assert child.is_over and time.monotonic() - begun < 8


_PARENT = """
import sys, time
from quinoa.launch.machine.child_process import ChildProcess

def function(channel, path):
    import pathlib, signal, time
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
    print("ready", flush=True)
    while not asked:
        time.sleep(0.01)
    pathlib.Path(path).touch()

child = ChildProcess(function, sys.argv[1])
while not child.read(1.0):
    pass
print("started", flush=True)
time.sleep(1000)
"""


def test_it_stops_in_order_when_its_parent_is_killed(tmp_path):
    path = tmp_path / "stopped"
    command = [sys.executable, "-c", _PARENT, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == "started\n"
        children = psutil.Process(parent.pid).children()
        parent.kill()
    assert len(children) == 1
    assert psutil.wait_procs(children, timeout=30)[1] == []
    assert path.exists()


def test_what_is_offered_never_waits_for_the_reader():
    reader, writer = os.pipe()
    try:
        channel = Channel(writer)
        for i in range(10_000):
            channel.offer("status", {"steps": i, "more": "x" * 50})
        assert os.read(reader, 2**20).startswith(b'{"event": "status", "value": {"steps": 0,')
        channel.offer("status", "again")
        assert b"again" in os.read(reader, 2**20)
    finally:
        os.close(reader)
        os.close(writer)
