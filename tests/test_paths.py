from __future__ import annotations

from pathlib import Path

from quinoa import paths
from quinoa.launch import cli
from quinoa.launch.commands.options import train_flags
from quinoa.launch.commands.running import hosted_run


def test_it_begins_the_value_of_a_flag_and_nothing_else(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    as_they_are = ["a~", "--env_set=file=~/x", "--name", "--out=a~/b", "--user=~nobody_at_all/x"]
    assert paths.with_home(["--env=~/my env.py:f", "-folder=~", *as_they_are]) == [
        "--env=/home/me/my env.py:f",
        "-folder=/home/me",
        *as_they_are,
    ]


def test_one_is_absolute_and_knows_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.chdir(tmp_path)
    assert paths.absolute("~/a") == "/home/me/a"
    assert paths.absolute(Path("a/../b")) == f"{tmp_path}/b"


def test_commands_and_runs_from_python_have_it(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    values = train_flags.define()
    cli._parse("train", values, ["--folder=~/run"])
    assert values.folder == "/home/me/run"
    assert hosted_run.parsed(["--init_from=~/run"]).init_from == "/home/me/run"
