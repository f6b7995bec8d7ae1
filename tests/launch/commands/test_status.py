"""`quinoa status`: of a run of the serial engine, and of folders as runs leave them."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import termios

import psutil
import pytest

from quinoa.launch import cli
from quinoa.launch.experiment.saved import save
from quinoa.launch.metrics.counter import Counter
from quinoa.launch.run import events, process_list
from quinoa.launch.run.events import EventKind
from quinoa.launch.run.process_list import ListedNode, NodeState, ProcessList
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json, write_json
from tests.launch.helpers import experiment, train_command
from tests.launch.reports import report
from tests.launch.terminals import session

pytestmark = pytest.mark.usefixtures("shared_learners")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> RunFolder:
    """A run of the serial engine."""
    root = tmp_path_factory.mktemp("runs") / "run"
    variables = dict(os.environ)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            assert cli.main(train_command(root, "--engine=serial", "--steps=700")[3:]) == 0
    finally:
        os.environ.clear()
        os.environ.update(variables)
    return RunFolder(root)


@pytest.fixture
def folder(tmp_path):
    """A run that has just been started, by this process."""
    made = RunFolder(tmp_path / "run")
    made.create()
    save(experiment(), made)
    return made


@pytest.fixture
def running(folder):
    """The same, under way."""
    processes = ProcessList(folder)
    names = ("replay-0", "counter-0", "learner-0", "actor-0", "actor-1", "evaluator-0")
    nodes = [
        ListedNode(name, Role(name.partition("-")[0]), os.getpid(), NodeState.RUNNING, 0)
        for name in names
    ]
    nodes[4] = dataclasses.replace(nodes[4], state=NodeState.DOWN, restarts=2)
    processes.write(nodes)
    counter = Counter(folder, experiment().budget)
    row = {
        "actor": 0,
        "episode_return": 3.5,
        "steps_per_second": 50.0,
        "parameter_age": 20,
    }
    report(counter, "a", actor_steps=750, rows=[row])
    learned = {"replay_size": 640, "waiting": 0.25}
    report(counter, "learner", "learner", learner_steps=400, rows=[learned])
    evaluated = [{"episode_return": value} for value in (1.0, 9.0)]
    report(counter, "e", "evaluator", rows=evaluated)
    counter.save()
    events.append(folder.events, EventKind.FAILED, "actor-1", reason="NodeError: it broke")
    events.append(folder.events, EventKind.RESTARTED, "actor-1")
    yield folder
    counter.close()


@pytest.fixture
def status(capsys):
    """Runs the command; gives its status, output and errors."""

    def run(folder: RunFolder, *flags: str) -> tuple[int, str, str]:
        code = cli.main(["status", str(folder.root), *flags])
        return code, *capsys.readouterr()

    return run


def age(folder: RunFolder, seconds: float) -> None:
    """Makes the run's status older than it is."""
    of = read_json(folder.status)
    write_json(folder.status, {**of, "wall_time": of["wall_time"] - seconds})


def test_processes_on_several_hosts_of_a_cluster(running, status):
    nodes = process_list.read(running.processes).nodes
    places = {"learner-0": "big", "actor-0": "small-1", "actor-1": "small-2"}
    # The number of a process on another host is that of some other process here.
    ProcessList(running).write(
        [dataclasses.replace(node, host=places.get(node.name)) for node in nodes[:-1]]
        + [dataclasses.replace(nodes[-1], pid=0, state=NodeState.WAITING)]
    )
    _, out, _ = status(running)
    assert re.search(r"process +state +cores +memory +restarts +host", out)
    assert re.search(r"learner-0 +running +- +- +0 +big +400 steps", out)
    assert re.search(r"actor-0 +running +- +- +0 +small-1 ", out)
    assert re.search(r"replay-0 +running +\d+\.\d\d +\d+ MB +0 +- ", out)
    assert re.search(r"evaluator-0 +waiting +- +- +0 +-", out)


def test_a_run_under_way(running, status, monkeypatch):
    # However slow this machine is.
    monkeypatch.setattr("quinoa.launch.watch.overview.SILENT_S", 300.0)
    monkeypatch.setattr("quinoa.launch.watch.status_page._STALE_ROW_S", 300.0)
    code, out, err = status(running)
    assert (code, err) == (0, "")
    assert re.search(r"on tests.launch.factories:match +seed 0", out)
    assert "\nrunning\n" in out
    assert "50%  750 of 1.5k steps" in out
    assert "return 9.0 (evaluation) ▁█  3.5 (actors)  2 restarts" in out
    assert re.search(r"learner-0 +running +\d+\.\d\d +\d+ MB +0 +400 steps, waits 25%", out)
    assert re.search(r"actor-0 +running .* 50 steps/s, parameter age 20", out)
    assert re.search(r"actor-1 +down .* 2 *$", out, re.MULTILINE)
    assert re.search(r"replay-0 .* 640 of 1M transitions", out)
    assert "actor-1 failed: NodeError: it broke" in out
    assert "restarted" not in out
    assert "\x1b" not in out


def test_the_preset_that_it_was_started_with_is_in_the_heading(folder, status):
    assert "by the preset" not in status(folder)[1]
    saved = read_json(folder.experiment)
    saved["experiment"]["preset"] = "/home/me/mine.toml:fast"
    write_json(folder.experiment, saved)
    heading, *_ = status(folder)[1].splitlines()
    assert heading.endswith("seed 0  by the preset /home/me/mine.toml:fast")


def test_many_actors_are_one_line(running, status):
    listed = read_json(running.processes)
    actors = [
        {"name": f"actor-{i}", "role": "actor", "pid": os.getpid(), "state": state, "restarts": 1}
        for i, state in enumerate(["running"] * 9 + ["down"] * 3)
    ]
    write_json(running.processes, {**listed, "nodes": actors})
    _, out, _ = status(running)
    assert re.search(r"^12 actors +9 running, 3 down .* 12 +50 steps/s", out, re.MULTILINE)
    assert "actor-3" not in out


def test_it_fits_80_columns(running, status, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = status(running)
    assert max(map(len, out.splitlines())) <= 80


def test_a_run_that_starts(folder, status):
    code, out, _ = status(folder)
    assert code == 0
    ProcessList(folder)
    # Importing what a process needs may take long; it is there, and that is enough.
    os.utime(folder.experiment, (0, 0))
    code, out, _ = status(folder)
    assert code == 0
    assert "\nstarting\n" in out


def test_a_run_that_was_killed(running, status):
    age(running, 100)
    of = read_json(running.processes)
    # The number may be another process's by now.
    write_json(running.processes, {**of, "ticks": of["ticks"] - 50})
    code, out, _ = status(running)
    assert code == 1
    assert re.search(
        r"ended unexpectedly: no sign of life for 1:4\d, and its process \d+ is gone", out
    )
    assert f"quinoa train --resume={running.root}" in out
    assert re.search(r"learner-0 +gone +- +-", out)
    assert "actors 0/s" not in out


def test_a_run_that_was_killed_before_it_had_written_anything(folder, status, monkeypatch):
    resume = f"quinoa train --resume={folder.root}"
    # Of a version, or in an instant, that has not said which process it is.
    monkeypatch.setattr("quinoa.launch.watch.overview.SILENT_S", 0.0)
    code, out, _ = status(folder)
    assert code == 1
    assert re.search(r"^ended unexpectedly: no sign of life for 0:\d\d$", out, re.MULTILINE)
    assert f"It had saved nothing yet. To start it again: {resume}\n" in out
    monkeypatch.undo()
    ProcessList(folder)
    assert "\nstarting\n" in status(folder)[1]
    gone = subprocess.Popen(["true"])
    gone.wait()
    write_json(folder.processes, {**read_json(folder.processes), "pid": gone.pid})
    code, out, _ = status(folder)
    assert code == 1
    assert f"and its process {gone.pid} is gone" in out


def test_a_machine_that_was_started_anew_has_no_process_of_before(running, status):
    write_json(running.processes, {**read_json(running.processes), "boot": "another"})
    assert "ended unexpectedly" in status(running)[1]


def test_a_process_is_there_though_the_clock_was_set_meanwhile(running, status):
    of = read_json(running.processes)
    write_json(running.processes, {**of, "started": of["started"] + 3600})
    assert status(running)[0] == 0
    # Runs of before say nothing else.
    del of["boot"], of["ticks"]
    write_json(running.processes, of)
    assert status(running)[0] == 0
    write_json(running.processes, {**of, "started": of["started"] - 50})
    assert status(running)[0] == 1


def test_a_run_that_died_in_its_final_evaluation_is_to_be_resumed(running, status):
    """Which evaluates it, or goes on where nothing was saved after the last step."""
    of = read_json(running.status)
    write_json(running.status, {**of, "actor_steps": of["steps"]})
    write_json(running.processes, {**read_json(running.processes), "boot": "another"})
    assert f"quinoa train --resume={running.root}\n" in status(running)[1]


@pytest.mark.parametrize("outcome", ["stopped", "killed"])
def test_a_run_that_was_stopped_names_the_command_that_goes_on(trained, status, tmp_path, outcome):
    copy = RunFolder(tmp_path / "a copy")
    shutil.copytree(trained.root, copy.root)
    write_json(copy.result, {"outcome": outcome, "final_returns": None})
    code, out, _ = status(copy)
    assert code == 0
    assert f"\n{outcome}\n" in out
    assert f"To resume it: quinoa train '--resume={copy.root}'\n" in out


def test_a_run_that_hangs_and_one_of_another_machine(running, status):
    age(running, 100)
    code, out, _ = status(running)
    assert code == 1
    assert f"though its process {os.getpid()} is there" in out
    write_json(running.processes, {**read_json(running.processes), "host": "another"})
    code, out, _ = status(running)
    assert code == 1
    assert re.search(rf"no sign of life for 1:4\d; it is process {os.getpid()} of another", out)
    age(running, -100)
    code, out, _ = status(running)
    assert code == 0
    # Numbers of processes there say nothing here.
    assert re.search(r"learner-0 +running +- +-", out)


def test_a_run_that_is_over(trained, status):
    code, out, err = status(trained)
    assert (code, err) == (0, "")
    assert re.search(r"^finished, final return [\d.]+ ± [\d.]+ \(10 episodes\)$", out, re.MULTILINE)
    assert "100%  700 of 700 steps" in out
    assert "saved: the learner at " in out


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ("actor-0", "failed in actor-0: NodeError: it broke; "),
        # Of the serial engine.
        (None, "failed: NodeError: it broke\n"),
    ],
)
def test_a_run_that_failed_says_why(trained, status, tmp_path, node, said):
    copy = RunFolder(tmp_path / "copy")
    shutil.copytree(trained.root, copy.root)
    error = "Traceback ...\nNodeError: it broke"
    ended = {**read_json(copy.result), "outcome": "failed", "failed_node": node}
    write_json(copy.result, {**ended, "error": error})
    code, out, _ = status(copy)
    assert code == 1
    assert said in out


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("experiment.json", "{"),
        ("experiment.json", '{"experiment": {}}'),
        ("experiment.json", "[1, 2]"),
        ("status.json", '{"wall_time": 1.0}'),
        ("status.json", "nonsense"),
        ("processes.json", '{"nodes": [{}]}'),
        ("processes.json", '{"nodes": 3}'),
        ("metrics/evaluator.csv", "episode_return\nhigh\n"),
        ("metrics/actor.csv", "role\n1\n"),
    ],
)
def test_a_damaged_file_is_one_line(running, status, name, text):
    (running.root / name).write_text(text)
    code, out, err = status(running)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"{running.root / name} is damaged" in err


def test_rows_and_events_under_way_are_left_out(running, status):
    with running.metrics("evaluator").open("a") as file:
        file.write("1.0,2")
    with running.events.open("a") as file:
        file.write("\0\0\nnonsense\n[]\n" + json.dumps({"wall_time": 1.0}) + "\n{")
    code, out, _ = status(running)
    assert code == 0
    assert "actor-1 failed" in out


def test_no_run_is_one_line(status, tmp_path):
    code, out, err = status(RunFolder(tmp_path))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "holds no experiment.json" in err


def test_it_changes_nothing(trained, status):
    def seen():
        return sorted((str(p), p.stat().st_mtime_ns) for p in trained.root.rglob("*"))

    before = seen()
    assert status(trained)[0] == 0
    assert seen() == before


def test_the_list_of_processes_names_this_one(folder):
    ProcessList(folder)
    listed = read_json(folder.processes)
    assert (listed["host"], listed["pid"]) == (socket.gethostname(), os.getpid())
    assert listed["started"] == psutil.Process().create_time()


@pytest.mark.parametrize("end", [b"q", b"\x03"])
def test_a_live_view_is_renewed_until_q_or_ctrl_c(running, end):
    """In a terminal, which is left as it was."""
    counter = Counter(running, experiment().budget)
    command = [sys.executable, "-m", "quinoa.launch.cli", "status", str(running.root)]
    with session(command) as shown, contextlib.closing(counter):
        assert "750 of 1.5k" in shown.read_until("750 of 1.5k")
        report(counter, "b", actor_steps=300)
        counter.save()
        assert "1.1k of 1.5k" in shown.read_until("1.1k of 1.5k")
        during = termios.tcgetattr(shown.terminal)
        shown.type(end)
        text = shown.read_until("latest events", after="\x1b[?1049l")
        assert shown.process.wait(20) == 0
        assert "Traceback" not in text
        # The last view stays, below what was there before.
        assert "running" in text.rpartition("\x1b[?1049l")[2]
        assert not during[3] & termios.ECHO
        assert termios.tcgetattr(shown.terminal)[3] & termios.ECHO
