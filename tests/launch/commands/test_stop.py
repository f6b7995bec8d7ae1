"""`quinoa stop`, `logs` and `scale`: of a local run, and of folders as runs leave them."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import sys
import threading

import pytest

from quinoa.launch.experiment.saved import save
from quinoa.launch.run import process_list
from quinoa.launch.run.process_list import ListedNode, NodeState, ProcessList
from quinoa.launch.run.result import Outcome, RunResult
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json, write_json
from tests.launch import whole_runs
from tests.launch.helpers import experiment, started, train_command, wait_until
from tests.launch.written_runs import write_run


@pytest.fixture
def folder(tmp_path):
    """A run that is under way, in the processes of nobody."""
    made = RunFolder(tmp_path / "run")
    made.create()
    save(experiment(), made)
    return made


def node(name: str, host: str | None = None) -> ListedNode:
    return ListedNode(name, Role(name.partition("-")[0]), 1, NodeState.RUNNING, 0, host)


@pytest.fixture
def under_way(folder):
    """The same in this process, with a learner and an actor."""
    ProcessList(folder).write([node("learner-0"), node("actor-0")])
    return folder


@pytest.fixture
def elsewhere(under_way):
    """The same, supervised by another host."""
    fields = read_json(under_way.processes)
    write_json(under_way.processes, {**fields, "host": "far-away"})
    return under_way


@pytest.fixture
def no_ray(monkeypatch):
    """As where Ray is not installed."""
    monkeypatch.setitem(sys.modules, "ray", None)


NO_RAY = (
    "The Ray engine needs Ray, which is not installed: `make setup RAY=1` in a clone of Quinoa, or "
    "`pip install 'path/to/quinoa[ray]'`.\n"
)
COMMANDS = [("stop",), ("logs",), ("scale", "--num_actors=2")]


def test_an_on_policy_run_is_not_scaled(quinoa, tmp_path):
    """Its batches have a share of each environment, whose number is in its settings."""
    write_run(tmp_path / "run", config={"segment_length": 5})
    status, _, err = quinoa("scale", str(tmp_path / "run"), "--num_actors=3")
    assert (status, err.count("\n")) == (2, 1)
    assert "learns on-policy" in err and "--num_actors=3" in err


@pytest.mark.long
def test_a_run_of_the_local_engine_is_scaled_read_and_stopped(quinoa, tmp_path, monkeypatch):
    """And ends in order, as it does on the signal that `quinoa stop` sends."""
    root, temporary = tmp_path / "run", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    folder = RunFolder(root)

    def names() -> set[str]:
        nodes = process_list.read(folder.processes).nodes
        return {node.name for node in nodes if node.state is NodeState.RUNNING}

    flags = ("--steps=100000000", "--num_actors=1", "--noprivate_network")
    with (
        started(train_command(root, *flags), is_forked=True) as run,
        whole_runs.ended_in_order(root, run, temporary, is_private=False),
    ):
        status, out, _ = quinoa("scale", str(root), "--num_actors=2")
        assert (status, out.splitlines()[0]) == (0, f"{root} is asked to have 2 actors.")
        assert wait_until(lambda: "actor-1" in names())
        quinoa("scale", str(root), "--num_actors=1")
        assert wait_until(lambda: "actor-1" not in names() and "actor-0" in names())
        texts = [json.loads(line).get("text") for line in folder.events.read_text().splitlines()]
        assert {"2 actors in place of 1", "1 actors in place of 2"} <= set(texts)
        # What was taken away is no failure.
        assert not [text for text in texts if text is not None and "fail" in text]

        (folder.logs / "actor-1.log").write_text("one\ntwo\nthree\n")
        status, out, _ = quinoa("logs", str(root), "--node=actor-1", "--lines=2")
        assert (status, out) == (0, "--- actor-1\ntwo\nthree\n")

        status, out, _ = quinoa("stop", str(root))
        assert (status, out.splitlines()[0]) == (
            0,
            f"{root} is asked to end: it saves what was learned first. A second time ends it at "
            "once.",
        )
        printed, err = run.communicate(timeout=120)
        assert run.returncode == 0, err
        assert "Stopped early." in printed
        assert f"quinoa evaluate {root}" in printed
    status, _, err = quinoa("stop", str(root))
    assert (status, err) == (2, f"quinoa: {root} is not under way.\n")


def test_a_run_of_this_process_gets_a_signal(quinoa, under_way):
    got = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: got.append(number))
    try:
        assert quinoa("stop", str(under_way.root))[0] == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert got == [signal.SIGTERM]


def test_a_run_in_a_thread_of_a_program_is_stopped_from_there(quinoa, folder, monkeypatch):
    """As `quinoa.train(engine="serial", wait=False)` has it: a signal would end the program."""
    thread = threading.Thread(target=ProcessList, args=[folder])
    thread.start()
    thread.join()
    status, _, err = quinoa("stop", str(folder.root))
    assert (status, err.count("\n")) == (2, 1)
    assert f"whose process is {os.getpid()}" in err and "by run.stop()" in err


def test_another_users_run_is_not_stopped(quinoa, under_way, monkeypatch):
    def refuse(pid: int, number: int) -> None:
        if number == signal.SIGTERM:
            raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    status, _, err = quinoa("stop", str(under_way.root))
    assert status == 2
    assert err == f"quinoa: {under_way.root} is run by another user, who alone can stop it.\n"


def test_the_logs_of_every_process_are_shown(quinoa, under_way):
    (under_way.logs / "learner-0.log").write_text("learns\n")
    # A process that has just been added has no log yet.
    assert quinoa("logs", str(under_way.root)) == (0, "--- learner-0\nlearns\n", "")


def test_logs_that_are_here_are_shown_where_the_cluster_is_gone(quinoa, elsewhere, no_ray):
    nodes = [node("learner-0", socket.gethostname()), node("actor-0", "far-away")]
    fields = read_json(elsewhere.processes)
    fields["nodes"] = [dataclasses.asdict(each) for each in nodes]
    write_json(elsewhere.processes, fields)
    (elsewhere.logs / "learner-0.log").write_text("learns\n")
    root = str(elsewhere.root)
    assert quinoa("logs", root, "--node=learner-0") == (0, "--- learner-0\nlearns\n", "")
    status, out, err = quinoa("logs", root)
    assert (status, out) == (0, "--- learner-0\nlearns\n")
    assert err == f"quinoa: note: logs on other hosts cannot be read: {NO_RAY}"
    status, _, err = quinoa("logs", root, "--node=actor-0")
    assert status == 2
    assert err.splitlines()[-1] == "quinoa: There is no log of 'actor-0'."


@pytest.mark.parametrize("command", COMMANDS)
def test_a_run_that_is_nowhere_is_one_line(quinoa, tmp_path, no_ray, command):
    root = tmp_path / "nowhere"
    assert quinoa(command[0], str(root), *command[1:]) == (
        2,
        "",
        f"quinoa: There is no run at {root} on this machine, and none can be looked for in a "
        f"cluster. {NO_RAY}",
    )


@pytest.mark.parametrize("command", [COMMANDS[0], COMMANDS[2]])
def test_a_run_of_another_machine_needs_ray(quinoa, elsewhere, no_ray, command):
    expected = (2, "", f"quinoa: {NO_RAY}")
    assert quinoa(command[0], str(elsewhere.root), *command[1:]) == expected


@pytest.mark.parametrize("command", [COMMANDS[0], COMMANDS[2]])
def test_a_run_that_is_over_is_not_under_way(quinoa, folder, command):
    write_json(folder.result, RunResult(Outcome.FINISHED).to_json())
    expected = (2, "", f"quinoa: {folder.root} is not under way.\n")
    assert quinoa(command[0], str(folder.root), *command[1:]) == expected
    # Nor where the program that ran it is still there, and would get the signal.
    ProcessList(folder)
    assert quinoa(command[0], str(folder.root), *command[1:]) == expected


def test_a_run_in_one_process_has_no_actors_to_add(quinoa, folder):
    ProcessList(folder)
    status, _, err = quinoa("scale", str(folder.root), "--num_actors=2")
    assert status == 2
    assert err == f"quinoa: {folder.root} is all in one process: it has no actors to add or stop.\n"
