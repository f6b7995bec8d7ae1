"""Whole runs in processes of their own: Launchpad, Reverb, Courier, actors, learner, evaluator."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from quinoa.launch import resume
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.engines.local import warm_parent
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json
from tests import projects
from tests.launch import factories, forked, whole_runs
from tests.launch.helpers import (
    learner_steps,
    listening_here,
    nodes_of,
    started,
    train_command,
    wait_until,
)

pytestmark = pytest.mark.long

# Random actions give 3.3, the best policy that the default agent can have 9.5.
BAR = 8.0
# Of a run that does not come to its end, and needs no second actor.
ENDLESS = ("--steps=10000000", "--num_actors=1")


def test_a_run_learns_and_leaves_its_results_and_nothing_else(tmp_path):
    """In a project of the user's own, and in a network that nobody else reaches."""
    assert factories.RANDOM_RETURN < BAR / 2
    root, project = tmp_path / "run", projects.write(tmp_path / "project")
    _, _, _, *flags = train_command(root, "--steps=3000", environment=projects.ENVIRONMENT)
    command = [projects.QUINOA, *flags, f"--agent={projects.AGENT}", "--private_network"]
    with started(command, cwd=project, env=projects.variables()) as process:
        # Of replay, the counter and the learner.
        assert wait_until(lambda: len(whole_runs.ports_of(root)) >= 3), process.poll()
        # Of those, of the two actors, and of the evaluator.
        assert wait_until(lambda: len(nodes_of(root)) == 6), process.poll()
        assert not whole_runs.ports_of(root) & listening_here()
        out, err = process.communicate(timeout=250)
    assert process.returncode == 0, err
    assert not nodes_of(root)

    found = re.search(r"Return of the final policy: (\S+) ± \S+ \(10 episodes\)", out)
    assert found, out
    assert float(found[1]) > BAR
    folder = RunFolder(root)
    assert str(folder.learning_curve) in out
    assert str(root) in out.splitlines()[-1]
    assert folder.learning_curve.read_bytes().startswith(b"\x89PNG")
    # Nothing but progress in the terminal: no warnings of libraries.
    assert all("steps/s" in line for line in err.splitlines()), err

    actors, learner, evaluator = (
        pd.read_csv(folder.metrics(role)) for role in ("actor", "learner", "evaluator")
    )
    assert set(actors["actor"]) == {0, 1}
    assert actors["episode_return"].max() > factories.RANDOM_RETURN
    assert (actors["parameter_age"] >= 0).all()
    assert learner["loss"].notna().all()
    for table in (actors, learner, evaluator):
        assert {"wall_time", "actor_steps", "learner_steps"} <= set(table.columns)
        assert table["learner_steps"].iloc[-1] > 0
    assert evaluator["actor_steps"].is_monotonic_increasing
    assert evaluator["episode_return"].iloc[-1] == pytest.approx(float(found[1]), abs=0.06)
    assert list(folder.tensorboard.iterdir())
    # Each evaluation's episodes, and what they come to.
    episodes = pd.read_csv(folder.evaluations)
    assert len(episodes) == evaluator["episodes"].sum()
    last = episodes[-10:]
    assert last["episode"].tolist() == list(range(10))
    assert last["episode_return"].mean() == pytest.approx(evaluator["episode_return"].iloc[-1])
    assert read_json(folder.processes)["nodes"] == []

    status = read_json(folder.status)
    # Whole steps of 4 environments, reported every 0.2 s or so.
    assert 3000 <= status["actor_steps"] < 6000
    # One gradient step for each transition after the first 500.
    counts = learner_checkpoints.newest(folder.checkpoints).counts()
    assert 2000 <= counts.learner_steps <= status["actor_steps"] - 400
    assert read_json(folder.result)["outcome"] == "finished"

    evaluated = subprocess.run(
        [projects.QUINOA, "evaluate", str(root), "--episodes=3"],
        cwd=project,
        env=projects.variables(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert evaluated.returncode == 0, evaluated.stderr
    assert float(evaluated.stdout.split()[1]) > BAR
    assert evaluated.stderr == ""


@pytest.mark.parametrize(
    ("number", "private"),
    [
        # `quinoa stop` sends it: tests/launch/commands/test_stop.py.
        pytest.param(signal.SIGTERM, False, marks=pytest.mark.slow),
        # In a network of its own, the run above learns, and the next one is ended by SIGHUP.
        pytest.param(signal.SIGHUP, True, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, True, marks=pytest.mark.slow),
    ],
)
def test_a_signal_ends_a_run_in_order(tmp_path, monkeypatch, number, private):
    root, temporary = tmp_path / "run", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    flag = "--private_network" if private else "--noprivate_network"
    with (
        started(train_command(root, *ENDLESS, flag)) as process,
        whole_runs.ended_in_order(root, process, temporary, is_private=private),
    ):
        process.send_signal(number)
        out, err = process.communicate(timeout=40)
        assert process.returncode == 0, err
    assert f"quinoa evaluate {root}" in out


def test_a_signal_before_anything_has_started_leaves_a_checkpoint_and_nothing_else(
    tmp_path, monkeypatch
):
    root, temporary = tmp_path / "run", tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    command = train_command(root, *ENDLESS, "--private_network")
    # On a busy machine the nodes have started before the signal: the learner waits for data then.
    command[command.index("--set=min_replay_size=500")] = "--set=min_replay_size=1000000"
    with started(command) as process:
        assert wait_until(lambda: len(nodes_of(root)) == 5), process.poll()
        process.send_signal(signal.SIGHUP)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert not nodes_of(root)
    assert not list(temporary.iterdir())
    with resume.locked(RunFolder(root)):
        pass
    assert learner_checkpoints.newest(root / "checkpoints").counts().learner_steps == 0
    assert read_json(RunFolder(root).result)["outcome"] == "stopped"


def test_a_second_signal_does_not_wait(tmp_path):
    root = tmp_path / "run"
    with started(train_command(root, *ENDLESS)) as process:
        assert wait_until(lambda: len(nodes_of(root)) == 5), process.poll()
        # The nodes are importing, which takes seconds, and will not hear the first one until then.
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert not nodes_of(root)
    assert err.strip().splitlines()[-1] == "quinoa: ended before the last checkpoint was written."
    assert read_json(RunFolder(root).result)["outcome"] == "killed"


def with_servers(root: Path) -> set[str]:
    """The names of the nodes that have started `sleep`."""
    return {
        name
        for node in nodes_of(root)
        for name in ("actor-0", "evaluator-0")
        if f"/{name}.error" in " ".join(node.cmdline())
        and any(child.name() == "sleep" for child in node.children())
    }


def test_nothing_outlives_an_engine_that_is_killed(tmp_path):
    root = tmp_path / "run"
    command = train_command(root, *ENDLESS, environment="tests.launch.factories:with_a_server")
    with started(command, is_forked=True) as process:
        assert wait_until(lambda: len(nodes_of(root)) == 5), process.poll()
        # The nodes, the process that some of them were forked from, and the one that ends the rest.
        assert len(psutil.Process(process.pid).children()) == 7
        # The environments of the actor and of the evaluator.
        assert wait_until(lambda: {"actor-0", "evaluator-0"} <= with_servers(root)), process.poll()
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        assert not psutil.wait_procs(children, timeout=10)[1]
        assert not nodes_of(root)


def test_a_node_that_fails_ends_the_run_with_its_error(tmp_path):
    root = tmp_path / "run"
    failing = train_command(root, *ENDLESS, environment="tests.launch.factories:fails_later")
    done = forked.run(failing, timeout=250)
    assert done.returncode == 1
    assert not nodes_of(root)
    last = done.stderr.strip().splitlines()[-1]
    assert "ZeroDivisionError: the environment's own error" in last
    assert re.search(r"quinoa: (actor|evaluator)-\d failed", done.stderr)
    assert "Return of the final policy" not in done.stdout
    assert read_json(RunFolder(root).result)["outcome"] == "failed"
    # Too many episodes failed, and they would have after another start.
    assert "more than 10 in 100 are too many" in last
    events = [json.loads(line) for line in RunFolder(root).events.read_text().splitlines()]
    assert [event["event"] for event in events].count("failed") == 1
    assert not any(event["event"] == "restarted" for event in events)
    dropped = [event for event in events if event["event"] == "episode_dropped"]
    assert dropped
    assert {event["kind"] for event in dropped} == {"raised"}


@pytest.mark.slow
def test_a_learner_that_diverges_ends_the_run_and_is_not_started_again(tmp_path):
    root = tmp_path / "run"
    diverging = train_command(root, "--steps=10000000", "--set=learning_rate=1e30")
    diverging = [flag for flag in diverging if flag != "--set=learning_rate=3e-3"]
    done = subprocess.run(diverging, capture_output=True, text=True, timeout=250)
    assert done.returncode == 1
    assert not nodes_of(root)
    last = done.stderr.strip().splitlines()[-1]
    assert "Learning has diverged" in last
    assert "the losses" in last
    assert "quinoa: learner-0 failed" in done.stderr
    events = [json.loads(line) for line in RunFolder(root).events.read_text().splitlines()]
    assert "failed" in [event["event"] for event in events if event["node"] == "learner-0"]
    assert not [event for event in events if event["event"] == "restarted"]


# Fast runs have `tests/chaos` do so, which does not look at the log.
@pytest.mark.slow
def test_whatever_is_killed_is_started_again_and_the_run_goes_on(tmp_path):
    root = tmp_path / "run"
    folder = RunFolder(root)

    def counts() -> tuple[int, int]:
        status = read_json(folder.status)
        return status["actor_steps"], status["learner_steps"]

    command = train_command(root, "--steps=10000000", "--checkpoint_period=2")
    with started(command) as process:
        assert wait_until(lambda: learner_steps(root) > 300), process.poll()
        # Nothing depends on the process that nodes were forked from.
        (parent,) = (
            child
            for child in psutil.Process(process.pid).children()
            if warm_parent.MAIN in " ".join(child.cmdline())
        )
        parent.kill()
        # The learner may go back to its last checkpoint, two seconds old, or to the beginning.
        for name in ("actor-0", "evaluator-0", "learner-0", "counter-0", "replay-0"):
            (node,) = (of for of in nodes_of(root) if f"/{name}.error" in " ".join(of.cmdline()))
            # An actor that a stranger stops in order is started again like one that is killed.
            node.terminate() if name == "actor-0" else node.kill()
            assert wait_until(lambda: node not in nodes_of(root), 5)  # noqa: B023 - at once
            time.sleep(1.0)
            actor_steps, steps = counts()

            def goes_on(actor_steps: int = actor_steps, steps: int = steps) -> bool:
                now = counts()
                return now[0] > actor_steps + 300 and now[1] > steps + 100

            assert wait_until(goes_on, 60), (name, process.poll())
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert not nodes_of(root)
    assert read_json(folder.result)["outcome"] == "stopped"
    assert not folder.counter.exists()
    events = [json.loads(line) for line in folder.events.read_text().splitlines()]
    killed = [event["node"] for event in events if event["event"] == "restarted"]
    assert killed[:3] == ["actor-0", "evaluator-0", "learner-0"]
    assert {"counter-0", "replay-0"} <= set(killed)
    assert [event["event"] for event in events].count("warm_parent_lost") == 1
    assert "learner-0 is started again: learner-0 was ended by SIGKILL" in err
    assert pd.read_csv(folder.metrics("actor"))["actor_steps"].is_monotonic_increasing


@pytest.mark.slow
def test_one_that_hangs_is_started_again_and_one_that_was_stopped_goes_on(tmp_path, monkeypatch):
    root, hang = tmp_path / "run", tmp_path / "hang"
    folder = RunFolder(root)
    monkeypatch.setenv(factories.HANG_FILE, str(hang))
    command = train_command(
        root,
        "--steps=10000000",
        "--hang_timeout=25",
        environment="tests.launch.factories:hangs_when_told",
    )

    def events(kind: str) -> list[dict[str, Any]]:
        if not folder.events.is_file():
            return []
        found = [json.loads(line) for line in folder.events.read_text().splitlines()]
        return [event for event in found if event["event"] == kind]

    with started(command) as process:
        assert wait_until(lambda: learner_steps(root) > 50), process.poll()
        hang.touch()
        assert wait_until(lambda: not hang.exists()), process.poll()
        # A process that was stopped, and is let go on before the time is up, has not failed.
        time.sleep(1.0)
        (stopped,) = (of for of in nodes_of(root) if "/counter-0.error" in " ".join(of.cmdline()))
        stopped.suspend()
        time.sleep(10.0)
        stopped.resume()
        assert wait_until(lambda: bool(events("back")), 100), process.poll()
        steps = learner_steps(root)
        assert wait_until(lambda: learner_steps(root) > steps + 100), process.poll()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert not nodes_of(root)
    (failed,), (back,) = events("failed"), events("back")
    assert failed["reason"] == f"{failed['node']} made no progress for 25 s, and was killed."
    assert back["node"] == failed["node"]
    assert 25 < back["seconds_lost"] < 100
    # Where it stood.
    log = (folder.logs / f"{failed['node']}.log").read_text()
    assert "factories.py" in log and "in step" in log
    role = failed["node"].partition("-")[0]
    row = pd.read_csv(folder.metrics("supervisor")).iloc[-1]
    assert (row["restarts"], row[f"{role}_restarts"]) == (1, 1)
    assert row["seconds_lost"] == pytest.approx(back["seconds_lost"], abs=0.01)
    assert f"Processes started again: 1 ({role} 1)" in out
    assert read_json(folder.result)["restarts"] == {role: 1}
