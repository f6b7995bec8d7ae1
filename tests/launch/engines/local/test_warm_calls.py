"""Functions that are called in processes that are forked from a warm parent."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from quinoa.environments import EnvironmentFault, FaultKind
from quinoa.launch.checkpoints.checkpoint_folder import DamagedError, VerifiedFolder
from quinoa.launch.engines.calls import Call, Caller, CallError, NotStoppedError, call_here
from quinoa.launch.engines.local import warm_calls, warm_parent
from quinoa.launch.errors import ExperimentError
from tests.launch import forked
from tests.launch.engines.local.test_warm_parent import INHERITED
from tests.launch.helpers import ROOT, wait_until


@pytest.fixture(scope="module", autouse=True)
def warm_parents_are_forked():
    """And so there at once; test_warm_parent.py has an executed one."""
    with forked.starting(warm_parent):
        yield


@pytest.fixture(scope="module")
def call() -> Iterator[Call]:
    with warm_parent.started(INHERITED, ROOT) as warm:
        yield warm_calls.through(warm, ROOT)


def _where(caller: Caller) -> tuple[int, int, bool]:
    return os.getpid(), os.getppid(), "tensorflow" in sys.modules


def test_the_result_is_of_another_process_that_has_tensorflow_and_ends(call):
    pid, parent, has_tensorflow = call("Asking", _where)
    assert pid != os.getpid() and parent == os.getpid() and has_tensorflow
    assert not psutil.pid_exists(pid)
    assert call_here("Asking", _where)[0] == os.getpid()


def _with_a_server(caller: Caller) -> int:
    return subprocess.Popen(["sleep", "1000"]).pid


def test_what_it_has_started_ends_with_it(call):
    server = call("Acting", _with_a_server)
    assert wait_until(lambda: not psutil.pid_exists(server), 20)


def _raise(error: Exception, caller: Caller) -> None:
    raise error


@pytest.mark.parametrize("where", ["here", "forked"])
def test_what_it_raises_is_raised(call, where):
    with pytest.raises(EnvironmentFault, match="the arm fell off") as raised:
        (call if where == "forked" else call_here)(
            "Acting",
            functools.partial(_raise, EnvironmentFault("the arm fell off", FaultKind.ACTION)),
        )
    assert raised.value.kind is FaultKind.ACTION


def test_a_damaged_checkpoint_is_one_there_too(call):
    error = DamagedError(VerifiedFolder(Path("7")), ValueError("it is empty"))
    with pytest.raises(DamagedError, match="The checkpoint 7 is damaged") as raised:
        call("Reading", functools.partial(_raise, error))
    assert raised.value.what == error.what and raised.value.checkpoint == error.checkpoint


def _raise_ones_own(caller: Caller) -> None:
    class ArmError(Exception):
        def __init__(self, arm: str, force: float):
            super().__init__(f"the {arm} arm took {force} N")

    raise ArmError("left", 3.0)


def test_an_error_that_cannot_be_sent_is_its_traceback(call):
    with pytest.raises(CallError, match=r"in _raise_ones_own\n[^$]*the left arm took 3\.0 N$"):
        call("Acting", _raise_ones_own)


def _count_until_told(caller: Caller) -> str:
    for number in range(10_000):
        caller.tell(number)
        if caller.should_stop():
            return f"stopped at {number}"
        time.sleep(0.01)
    return "never told"


@pytest.mark.parametrize("where", ["here", "forked"])
def test_it_tells_how_far_it_is_and_hears_that_it_is_to_stop(call, where):
    told: list[int] = []
    answer = (call if where == "forked" else call_here)(
        "Counting", _count_until_told, caller=Caller(told.append, lambda: len(told) > 5)
    )
    assert answer.startswith("stopped at ")
    assert told == list(range(len(told))) and len(told) > 5


def _print(caller: Caller) -> None:
    print("to its output")
    print("to its errors", file=sys.stderr)


def test_what_it_prints_is_handed_on(call):
    printed: list[str] = []
    call("Printing", _print, on_output=printed.append)
    (text,) = printed
    assert sorted(text.splitlines()) == ["to its errors", "to its output"]


def _end(number: int, caller: Caller) -> None:
    os.kill(os.getpid(), number)


def test_one_that_ends_its_process_is_one_clear_error(call):
    with pytest.raises(ExperimentError, match=r"^Trying it has ended the process.*by SIGKILL"):
        call("Trying it", functools.partial(_end, signal.SIGKILL))


def _sleep(path: str, caller: Caller) -> None:
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(1000)


def test_it_does_not_outlive_a_wait_that_is_interrupted(call, tmp_path):
    path = tmp_path / "pid"

    def interrupt() -> None:
        wait_until(lambda: path.is_file() and bool(path.read_text()), 30)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        call("Sleeping", functools.partial(_sleep, str(path)))
    thread.join()
    assert not psutil.pid_exists(int(path.read_text()))


def _ask_and_hang(seconds: float, hangs: bool, caller: Caller) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        caller.should_stop()
        time.sleep(0.01)
    while hangs:
        time.sleep(0.01)
    return "returned"


def test_one_that_makes_no_progress_is_ended(monkeypatch):
    monkeypatch.setattr(warm_calls, "START_TIMEOUT_S", 0.5)
    with warm_parent.started(INHERITED, ROOT) as warm:
        for seconds in (0.0, 0.1):
            call = warm_calls.through(warm, ROOT, hang_timeout_s=0.5)
            with pytest.raises(ExperimentError, match=r"^Acting has made no progress for"):
                call("Acting", functools.partial(_ask_and_hang, seconds, True))
        call = warm_calls.through(warm, ROOT, hang_timeout_s=1.5)
        assert call("Acting", functools.partial(_ask_and_hang, 2.0, False)) == "returned"


def test_one_that_does_not_stop_when_it_is_told_to_is_ended(call, tmp_path, monkeypatch):
    monkeypatch.setattr(warm_calls, "STOP_S", 0.3)
    path = tmp_path / "pid"
    with pytest.raises(NotStoppedError, match="Sleeping has not stopped within"):
        call(
            "Sleeping",
            functools.partial(_sleep, str(path)),
            caller=Caller(should_stop=lambda: path.is_file() and bool(path.read_text())),
        )
    assert not psutil.pid_exists(int(path.read_text()))


def test_where_the_warm_parent_is_lost_this_process_does_it_and_says_so():
    with warm_parent.started(INHERITED, ROOT) as warm:
        call = warm_calls.through(warm, ROOT)
        os.kill(warm.pid, signal.SIGKILL)
        said: list[str] = []
        assert call("Asking", _where, on_output=said.append)[0] == os.getpid()
        assert "is lost (it has ended" in said[0] and len(said) == 1
        assert call("Asking", _where, on_output=said.append)[0] == os.getpid()
        assert len(said) == 1
