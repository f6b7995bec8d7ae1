"""Resuming runs: what is kept, what is refused, and what becomes of damaged checkpoints."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal

import pandas as pd
import pytest

from quinoa.launch import cli, resume
from quinoa.launch.checkpoints import learner_checkpoints, replay_checkpoints
from quinoa.launch.experiment.saved import load
from quinoa.launch.metrics.metrics_log import truncate
from quinoa.launch.run import scale
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json, write_json
from tests.launch.checked import CHECKED, read_back, verify
from tests.launch.helpers import (
    experiment,
    learner_steps,
    nodes_of,
    started,
    train_command,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("shared_learners")


def command(*arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = cli.main(list(arguments))
    return status, out.getvalue(), err.getvalue()


def serial(root, *flags: str) -> tuple[int, str, str]:
    return command(*train_command(root, "--engine=serial", *flags)[3:])


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> RunFolder:
    """A run that is over, of the serial engine."""
    root = tmp_path_factory.mktemp("finished") / "run"
    status, _, err = serial(root, "--steps=900", "--seed=5")
    assert status == 0, err
    return RunFolder(root)


@pytest.fixture
def run(finished, tmp_path) -> RunFolder:
    """A copy of it that a test may change, under a name that TensorFlow takes for a pattern."""
    return RunFolder(shutil.copytree(finished.root, tmp_path / "run[1]"))


def tables(folder: RunFolder) -> list[pd.DataFrame]:
    return [pd.read_csv(folder.metrics(role)) for role in ("actor", "learner", "evaluator")]


def go_on(folder: RunFolder, *flags: str) -> tuple[int, str, str]:
    return command("train", f"--resume={folder.root}", "--engine=serial", *flags)


def test_a_run_goes_on_where_it_ended(run):
    before = learner_checkpoints.newest(run.checkpoints).counts()
    rows = [len(table) for table in tables(run)]
    status, out, err = go_on(run, "--steps=1500", "--change=steps")
    assert status == 0, err
    assert f"Resuming from {before.actor_steps} steps." in out
    after = learner_checkpoints.newest(run.checkpoints).counts()
    assert 1500 <= after.actor_steps < 1600
    assert after.episodes > before.episodes
    # As many gradient steps a transition as before, but for those that fill replay anew.
    assert before.learner_steps < after.learner_steps < before.learner_steps + 700
    for table, number in zip(tables(run), rows, strict=True):
        assert len(table) > number
        assert table["actor_steps"].is_monotonic_increasing
        assert table["learner_steps"].is_monotonic_increasing
    assert read_json(run.result)["outcome"] == "finished"
    (resumed,) = read_json(run.experiment)["resumed"]
    assert resumed["actor_steps"] == before.actor_steps
    assert load(run).steps == 1500


def test_a_run_that_ended_after_its_last_step_and_before_its_result_is_concluded(run):
    """As one does that is killed within its final evaluation."""
    kept = [run.status, *run.checkpoints.rglob("*"), *run.replay.rglob("*")]
    files = {path: path.read_bytes() for path in kept if path.is_file()}
    run.result.unlink()
    status, out, err = go_on(run)
    assert status == 0, err
    assert re.search(r"Resuming from 90\d steps: all are done", out)
    assert "Return of the final policy" in out
    result = read_json(run.result)
    assert (result["outcome"], len(result["final_returns"])) == ("finished", 10)
    assert {path: path.read_bytes() for path in files} == files
    # And no second time.
    status, _, err = go_on(run)
    assert (status, "has done its 900 steps" in err) == (2, True)
    # But where its final evaluation failed.
    del result["final_returns"]
    write_json(run.result, result)
    status, out, err = go_on(run)
    assert status == 0, err
    assert len(read_json(run.result)["final_returns"]) == 10


def test_a_run_that_was_scaled_has_as_many_actors_when_it_is_resumed(run):
    assert load(run).num_actors == 2
    scale.ask(run, 1)
    # Another number, also the first one, is a change that must be meant.
    status, _, err = go_on(run, "--steps=1500", "--change=steps", "--num_actors=2")
    assert status == 2
    assert "num_actors: 1 → 2" in err
    assert scale.wanted(run) == 1
    status, _, err = go_on(run, "--steps=1500", "--change=steps")
    assert status == 0, err
    assert load(run).num_actors == 1
    assert scale.wanted(run) is None


def test_a_damaged_checkpoint_gives_way_to_the_one_before(run):
    status, _, err = go_on(run, "--steps=1700", "--change=steps")
    assert status == 0, err
    older, newest = learner_checkpoints.all_of(run.checkpoints)
    steps = older.counts().actor_steps
    path = newest.path / "policy.npy"
    path.write_bytes(path.read_bytes()[:-4])
    status, out, err = go_on(run)
    assert status == 0, err
    assert f"Resuming from {steps} steps." in out
    assert f"{newest.path} is damaged (policy.npy is not what was written); it is kept as" in err
    assert newest.path.with_name(newest.path.name + ".damaged").is_dir()
    for table in tables(run):
        assert table["actor_steps"].is_monotonic_increasing


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "has done its 900 steps: for more of them, give --steps and --change=steps."),
        (
            ["--steps=1000", "--change=steps"],
            "Give more steps, by --steps and --change=steps, or --resume_replay where",
        ),
        (["--steps=1500", "--change=steps", "--samples_per_insert=0"], "is a setting of the agent"),
        (["--steps=1500"], "steps: 900 → 1500"),
        (["--steps=1500", "--num_actors=3", "--change=steps"], "--change=num_actors."),
        (["--steps=1500", "--change=steps", "--set=tau=0.5"], "tau: 0.01 → 0.5 is a setting of"),
        (
            [
                "--resume_replay",
                "--steps=1500",
                "--steps_per_call=20",
                "--change=steps,steps_per_call",
            ],
            "The replay checkpoint was written with steps_per_call = 10 (here 20): leave --resume",
        ),
        (
            ["--steps=1500", "--change=steps", "--resume_replay", "--engine=local"],
            "The replay checkpoint was written with form = 'rows' (here 'reverb'): leave --resume",
        ),
        (["--agent=quinoa"], "is a run of iq: start another for another."),
        (["--folder=elsewhere"], "leave --folder out"),
    ],
)
def test_what_is_refused_changes_nothing(run, flags, message):
    files = {path: path.read_bytes() for path in run.root.rglob("*") if path.is_file()}
    status, _, err = go_on(run, *flags)
    assert status == 2
    assert message in err
    assert {path: path.read_bytes() for path in run.root.rglob("*") if path.is_file()} == files


def test_an_argument_of_the_environment_changes_no_other(run):
    """As where the others are a preset's, which a run that is resumed has already."""
    fields = read_json(run.experiment)
    fields["experiment"]["env_kwargs"] = {"of_preset": 1, "mine": 2}
    write_json(run.experiment, fields)
    status, _, err = go_on(run, "--env_set=mine=3")
    assert status == 2
    assert "env_kwargs: {'of_preset': 1, 'mine': 2} → {'of_preset': 1, 'mine': 3}" in err
    status, _, err = go_on(run, "--env_set=mine=2")
    assert "has done its 900 steps" in err


def test_a_checkpoint_that_cannot_be_restored_is_said_before_anything_is_changed(run):
    run.experiment.write_text(run.experiment.read_text().replace('"tau": 0.01', '"tau": 0.5'))
    files = {path: path.read_bytes() for path in run.root.rglob("*") if path.is_file()}
    status, _, err = go_on(run, "--steps=1500", "--change=steps")
    assert status == 2
    assert err.count("\n") == 1
    assert "was written with tau = 0.01 (here 0.5)" in err
    assert {path: path.read_bytes() for path in run.root.rglob("*") if path.is_file()} == files


@pytest.mark.parametrize("damage", ["whole", "unreadable"])
def test_without_a_whole_checkpoint_nothing_is_touched(run, damage):
    """Better no run than one that begins anew where another one's results are."""
    (checkpoint,) = learner_checkpoints.all_of(run.checkpoints)
    path = checkpoint.path / "checkpoint.json"
    if damage == "whole":
        path.write_text("{}")
    else:
        path.unlink()
        path.mkdir()  # What root cannot read either.
    files = {path: path.read_bytes() for path in run.root.rglob("*") if path.is_file()}
    status, _, err = go_on(run, "--steps=1500", "--change=steps")
    assert status == 2
    assert err.count("\n") == 1
    assert "None of the checkpoints" in err or "cannot be read" in err
    assert {path: path.read_bytes() for path in run.root.rglob("*") if path.is_file()} == files


def test_what_replay_held_is_gone_on_with_if_asked(run):
    before = learner_checkpoints.newest(run.checkpoints).counts()
    (held,) = replay_checkpoints.all_of(run)
    assert held.transitions == before.actor_steps
    # Too few steps to fill a replay anew.
    status, out, err = go_on(run, "--steps=1000", "--change=steps", "--resume_replay")
    assert status == 0, err
    assert f"With up to {held.transitions} transitions in replay." in out
    after = learner_checkpoints.newest(run.checkpoints).counts()
    assert after.learner_steps - before.learner_steps == pytest.approx(100, abs=15)
    assert replay_checkpoints.all_of(run)[-1].transitions == after.actor_steps
    # Without the flag nothing of it is used, or kept.
    status, out, err = go_on(run, "--steps=1600", "--change=steps")
    assert status == 0, err
    assert "transitions in replay" not in out
    (anew,) = replay_checkpoints.all_of(run)
    assert anew.transitions == pytest.approx(600, abs=20)


def test_a_replay_that_was_not_saved_or_is_damaged_is_empty(run):
    (held,) = replay_checkpoints.all_of(run)
    (held.path / "replay.npz").write_bytes(b"")
    status, _, err = go_on(run, "--steps=1600", "--change=steps", "--resume_replay")
    assert status == 0, err
    assert f"replay starts empty: The checkpoint {held.path} is damaged" in err
    # As of a run that saves none: tests/launch/engines/test_serial.py.
    shutil.rmtree(run.replay)
    status, _, err = go_on(run, "--steps=2300", "--change=steps", "--resume_replay")
    assert status == 0, err
    assert "note: replay starts empty: nothing of it was saved." in err


@pytest.mark.parametrize("flag", ["--change=steps", "--resume_replay"])
def test_what_is_for_runs_that_go_on_means_nothing_alone(flag):
    status, _, err = command("train", flag)
    assert status == 2
    assert "give --resume too" in err


def test_a_folder_is_one_runs_at_a_time(run):
    with resume.locked(run):
        status, _, err = go_on(run, "--steps=1500", "--change=steps")
    assert status == 2
    assert "is in use by a run that is still running: stop that first." in err
    with resume.locked(run):
        pass


@pytest.mark.slow
def test_a_run_whose_every_process_is_killed_goes_on(tmp_path):
    root = tmp_path / "run"
    with started(train_command(root, "--steps=6000", "--checkpoint_period=1")) as process:
        folder = RunFolder(root)
        assert wait_until(lambda: len(learner_checkpoints.all_of(folder.checkpoints)) == 2)
        assert wait_until(lambda: learner_steps(root) > 500)
        os.killpg(process.pid, signal.SIGKILL)
        assert wait_until(lambda: not nodes_of(root))
    before = learner_checkpoints.newest(folder.checkpoints).counts()
    resumed = [*train_command(root)[:4], f"--resume={root}"]
    with started(resumed) as process:
        out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert f"Resuming from {before.actor_steps} steps." in out
    assert learner_checkpoints.newest(folder.checkpoints).counts().actor_steps >= 6000
    for table in tables(folder):
        assert table["actor_steps"].is_monotonic_increasing
        assert table["learner_steps"].is_monotonic_increasing


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_with_what_its_replay_held(tmp_path):
    root = tmp_path / "run"
    folder = RunFolder(root)
    periods = ["--checkpoint_period=1", "--replay_checkpoint_period=1"]
    command_ = train_command(root, "--steps=10000000", *periods, environment=CHECKED)
    with started(command_) as process:
        assert wait_until(lambda: learner_steps(root) > 1000)
        os.killpg(process.pid, signal.SIGKILL)
        assert wait_until(lambda: not nodes_of(root))
    before = learner_checkpoints.newest(folder.checkpoints).counts()
    held, damaged = replay_checkpoints.newest_whole(folder)
    assert held is not None and not damaged
    spec = load(folder).spec()
    transitions = verify(read_back(held.path, spec))
    # Fewer than would fill a replay anew.
    steps = f"--steps={before.actor_steps + 400}"
    resumed = [*train_command(root)[:4], f"--resume={root}", "--resume_replay", steps]
    with started([*resumed, "--change=steps"]) as process:
        out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert "transitions in replay." in out
    after = learner_checkpoints.newest(folder.checkpoints).counts()
    assert after.learner_steps > before.learner_steps + 200
    last = verify(read_back(replay_checkpoints.all_of(folder)[-1].path, spec))
    assert len(last) == len(set(last))
    assert set(transitions) < set(last)
    assert len(transitions) + 350 < len(last)
    assert not [path for path in folder.replay.iterdir() if path.name.startswith(".")]


def test_rows_of_later_steps_and_half_rows_are_taken_out(tmp_path):
    path = tmp_path / "actor.csv"
    path.write_text("wall_time,actor_steps,learner_steps,x\n1,10,0,a\n2,20,5,b\n3,30,9,c\n4,2")
    truncate(path, 20)
    assert path.read_text().split() == [
        "wall_time,actor_steps,learner_steps,x",
        "1,10,0,a",
        "2,20,5,b",
    ]
    truncate(path, -1)
    truncate(tmp_path / "nowhere.csv", 5)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"wall_ti", b"wall_time,actor_steps\n\0\0\0"])
def test_a_file_without_a_row_goes(tmp_path, data):
    path = tmp_path / "actor.csv"
    path.write_bytes(data)
    truncate(path, 20)
    assert not path.exists()


def test_zeros_after_the_last_row_are_taken_out(tmp_path):
    path = tmp_path / "actor.csv"
    path.write_bytes(b"wall_time,actor_steps\r\n1,10\r\n" + b"\0" * 50)
    truncate(path, 20)
    assert path.read_text().split() == ["wall_time,actor_steps", "1,10"]


def test_actors_do_not_draw_again_what_they_have_drawn():
    saved = experiment(seed=3)
    assert saved.resumed(0) == saved
    seeds = {saved.resumed(steps).seed_of("actor", 0) for steps in (0, 100, 200)}
    assert len(seeds) == 3


def test_held_needs_a_folder(tmp_path):
    with pytest.raises(OSError), resume.locked(RunFolder(tmp_path / "nowhere")):
        pass


def test_changes_are_told_by_name():
    saved = experiment(samples_per_insert=64.0, steps=100)
    wanted = experiment(samples_per_insert=32.0, steps=200)
    assert resume.changes(saved, wanted) == {
        "steps": "100 → 200",
        "samples_per_insert": "64.0 → 32.0",
    }
