"""What is given on a command line, with an environment that goes to another folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from quinoa.launch.analysis import random_score
from quinoa.launch.machine.start_folder import StartFolder
from quinoa.launch.storage.files import read_json
from tests.launch.helpers import ROOT, train_command

WANDERS = "tests.launch.factories:wanders"


@pytest.fixture(autouse=True)
def importable(monkeypatch, shared_learners):
    """The tests' own modules, from any folder; which the tests after these begin in again."""
    monkeypatch.chdir(Path.cwd())
    monkeypatch.syspath_prepend(str(ROOT))


def test_a_run_is_in_the_folder_that_was_said(quinoa, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = train_command(
        Path("r"), "--engine=serial", "--steps=600", "--copy_to=copies/r", environment=WANDERS
    )
    status, out, err = quinoa(*command[3:])
    assert status == 0, err
    assert os.getcwd() != str(tmp_path)
    assert read_json(tmp_path / "r" / "result.json")["outcome"] == "finished"
    assert "Run: r\n" in out
    assert "Learning curve: r/learning_curve.png\n" in out
    saved = read_json(tmp_path / "r" / "experiment.json")
    assert saved["working_folder"]["path"] == str(tmp_path)
    assert read_json(tmp_path / "copies" / "r" / "experiment.json") == saved
    assert {path.name for path in tmp_path.iterdir()} == {"r", "copies"}


def test_a_run_without_a_folder_of_its_own_is_among_the_others(quinoa, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = train_command(Path("r"), "--engine=serial", "--steps=600", environment=WANDERS)
    command.remove("--folder=r")
    status, out, err = quinoa(*command[3:])
    assert status == 0, err
    (run,) = (tmp_path / "runs").iterdir()
    assert f"Run: runs/{run.name}\n" in out
    assert (run / "result.json").exists()


@pytest.mark.parametrize(
    ("command", "flags", "made"),
    [
        ("evaluate", ["--episodes=2", "--json=e.json"], "e.json"),
        ("video", ["--episodes=1", "--size=64", "--length=3", "--out=v.gif"], "v.gif"),
        ("policy", ["--step=1", "--out=p.png"], "p.png"),
        ("export", ["--out=taken"], "taken"),
    ],
)
def test_what_commands_make_is_where_was_said(
    quinoa, run_of, tmp_path, monkeypatch, command, flags, made
):
    root = run_of("iq", WANDERS).root
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").symlink_to(root)
    status, out, err = quinoa(command, "run", *flags)
    assert status == 0, err
    assert made in out
    assert str(tmp_path) not in out
    assert {path.name for path in tmp_path.iterdir()} == {"run", made}


def test_a_file_is_found_again_from_another_folder(quinoa, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "import os, tempfile\nfrom tests.launch.factories import Match\n\n\n"
        "def make(seed):\n    os.chdir(tempfile.gettempdir())\n    return Match(seed)\n"
    )
    monkeypatch.chdir(tmp_path)
    _, out, _ = quinoa("check", "./mine.py:make", "--seconds=0")
    # `Match` lacks what is checked there, and all else holds.
    assert "1 of 8 checks failed" in out, out
    assert "FAILED  a new episode follows" in out


def test_random_actions_leave_the_folder_as_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random_score.random_score(WANDERS, num_episodes=1)
    assert os.getcwd() == str(tmp_path)


def test_paths_are_shown_as_people_in_the_folder_read_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    start = StartFolder()
    monkeypatch.chdir(tmp_path.parent)
    assert start.absolute("runs/a") == tmp_path / "runs/a"
    assert str(start.shown(tmp_path / "runs/a")) == "runs/a"
    assert start.absolute(sys.prefix) == start.shown(start.absolute(sys.prefix))
