"""A run from its start to its end, with plain objects in place of processes."""

from __future__ import annotations

import dataclasses
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from quinoa.launch.engines import lifecycle
from quinoa.launch.engines.lifecycle import NodeStart
from quinoa.launch.engines.signals import StopSignals
from quinoa.launch.nodes.exit_codes import FATAL, RUN_IS_OVER, TOLD_TO_STOP
from quinoa.launch.nodes.topology import KINDS
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.result import Outcome, RunResult
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.run.status import Status
from quinoa.launch.storage.files import read_json, write_json
from tests.launch.engines.fakes import FakeProcess

STATUS = Status(counts=Counts(actor_steps=7, learner_steps=3, episodes=1), steps=10, wall_time=1e9)


class FakeRun:
    """One node of each role, and two actors; keeps who was told what, in order.

    Attributes:
        started: all processes, in the order of their starts.
        told: the name of each process and what it was told, in order.
        shown: each status that was shown.
        on_status: is given each.
    """

    def __init__(self, folder: RunFolder):
        self.folder = folder
        self.stop = StopSignals()
        self.started: list[FakeProcess] = []
        self.told: list[tuple[str, str]] = []
        self.shown: list[object] = []
        self.on_status: Callable[[Any], None] = self.shown.append
        # By name: what a process is like when it has been started.
        self.changed: dict[str, Callable[[FakeProcess], object]] = {}

    def result(self) -> RunResult:
        nodes = [(role, 0) for role in KINDS] + [(Role.ACTOR, 1)]
        return lifecycle.run(
            [NodeStart(role, self._start(role, index)) for role, index in nodes],
            self.folder,
            self.on_status,
            self.stop,
            hang_timeout_s=100.0,
        )

    def change(self, *names: str, **values: object) -> None:
        for name in names:
            self.changed[name] = lambda process: vars(process).update(values)

    def order(self, what: str) -> list[str]:
        return [name for name, told in self.told if told == what]

    def _start(self, role: Role, index: int) -> Callable[[], FakeProcess]:
        run = self

        class Process(FakeProcess):
            def terminate(self) -> None:
                run.told.append((self.name, "terminate"))
                super().terminate()

            def kill(self) -> None:
                if not self.is_gone:
                    run.told.append((self.name, "kill"))
                super().kill()

        def start() -> Process:
            process = Process(role, index)
            self.started.append(process)
            self.changed.pop(process.name, lambda process: None)(process)
            return process

        return start


@pytest.fixture
def run(tmp_path):
    folder = RunFolder(tmp_path)
    write_json(folder.status, STATUS.to_json())
    return FakeRun(folder)


def test_it_is_over_when_all_actors_have_ended_by_themselves(run):
    run.change("actor-0", "actor-1", exit_code=RUN_IS_OVER)
    result = run.result()
    assert result == RunResult(Outcome.FINISHED)
    # Those that call others before those that they call.
    assert [set(run.order("terminate")[i:j]) for i, j in ((0, 3), (3, 4), (4, 6))] == [
        {"actor-0", "actor-1", "evaluator-0"},
        {"learner-0"},
        {"replay-0", "counter-0"},
    ]
    assert run.order("kill") == run.order("terminate")
    assert not any(process.was_killed for process in run.started)
    assert run.shown[-1] == dataclasses.replace(STATUS, restarts=0)
    assert read_json(run.folder.processes)["nodes"] == []


def test_one_actor_that_has_ended_does_not_end_it(run):
    run.change("actor-0", exit_code=RUN_IS_OVER)
    listed: list[dict[str, str]] = []

    def look(status: object) -> None:
        nodes = read_json(run.folder.processes)["nodes"]
        listed.append({node["name"]: node["state"] for node in nodes})
        run.stop.ask()

    run.on_status = look
    assert run.result().outcome is Outcome.STOPPED
    assert (listed[0]["actor-0"], listed[0]["actor-1"]) == ("done", "starting")
    assert listed[-1] == {}


def test_asked_once_it_stops_in_order(run):
    run.stop.ask()
    # An actor says whether the run was over when it stopped.
    run.change("actor-0", obeys=TOLD_TO_STOP)
    run.change("actor-1", obeys=RUN_IS_OVER)
    assert run.result() == RunResult(Outcome.STOPPED)


def test_asked_twice_nothing_is_waited_for(run):
    run.stop.ask()
    run.stop.ask()
    run.change("learner-0", "replay-0", "evaluator-0", obeys=None)
    start = time.monotonic()
    assert run.result().outcome is Outcome.KILLED
    assert time.monotonic() - start < 2.0


@pytest.fixture
def impatient(monkeypatch):
    """Nobody has time to stop in."""
    monkeypatch.setattr(lifecycle, "wait", lambda processes, timeout_s, give_up: None)


def test_a_learner_that_does_not_stop_in_time_has_not_saved(run, impatient):
    run.stop.ask()
    run.change("learner-0", obeys=None)
    result = run.result()
    assert (result.outcome, result.failed_node) == (Outcome.FAILED, "learner-0")
    assert result.error == "learner-0 did not stop within 60 s; its last steps are not saved."


@pytest.mark.parametrize("name", ["actor-0", "evaluator-0", "replay-0", "counter-0"])
def test_any_other_that_does_not_stop_in_time_is_killed_and_no_failure(run, impatient, name):
    run.stop.ask()
    run.change(name, obeys=None)
    assert run.result() == RunResult(Outcome.STOPPED)
    assert [process.name for process in run.started if process.was_killed] == [name]


def test_one_that_fails_while_it_stops_is_told_of(run):
    run.stop.ask()
    run.change("counter-0", obeys=1)
    result = run.result()
    assert (result.outcome, result.failed_node) == (Outcome.FAILED, "counter-0")
    assert result.error == "Traceback\nValueError: of its own"


def test_of_several_failures_the_first_is_told_of(run):
    run.change("actor-1", exit_code=FATAL)
    run.change("learner-0", obeys=1)
    result = run.result()
    assert (result.outcome, result.failed_node) == (Outcome.FAILED, "actor-1")
    # All are stopped even so.
    assert all(process.is_gone for process in run.started)
    assert "learner-0" in run.order("terminate")


def test_those_that_others_need_to_the_last_are_started_again_before_all_stop(run):
    run.change("actor-0", "actor-1", exit_code=RUN_IS_OVER)
    starts: list[str] = []

    def killed_twice(process: FakeProcess) -> None:
        starts.append(process.name)
        if len(starts) <= 2:
            process.exit_code = -signal.SIGKILL
            run.changed["counter-0"] = killed_twice

    run.changed["counter-0"] = killed_twice
    result = run.result()
    assert len(starts) == 3
    assert (result.outcome, result.restarts) == (Outcome.FINISHED, {"counter": 2})
    assert run.started[-1].name == "counter-0"
    assert run.order("terminate").count("counter-0") == 1


def test_nothing_is_left_of_a_run_that_cannot_start(run):
    def fail(process: FakeProcess) -> None:
        raise BlockingIOError("no process to be had")

    run.changed["evaluator-0"] = fail
    with pytest.raises(BlockingIOError):
        run.result()
    assert len(run.started) > 3
    assert all(process.is_gone for process in run.started[:-1])


def test_nothing_is_left_of_a_run_whose_status_cannot_be_shown(run):
    def fail(status: object) -> None:
        raise OSError("the terminal is gone")

    run.on_status = fail
    with pytest.raises(OSError, match="gone"):
        run.result()
    assert all(process.is_gone for process in run.started)
