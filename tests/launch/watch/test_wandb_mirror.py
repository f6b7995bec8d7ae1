"""Passing metrics on, to the library of Weights & Biases where it is installed, and to one alike.

The library is no dependency. `PYTHONPATH=FOLDER make test-slow` runs the test with the real one,
where `pip install --target=FOLDER 'wandb<0.28' 'protobuf<5'` has put it.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import threading
import time
import types

import pytest

from quinoa.launch import cli
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment.saved import save
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import write_text
from quinoa.launch.watch import wandb_mirror
from quinoa.launch.watch.wandb_mirror import mirrored
from tests.launch.helpers import ROOT, experiment, train_command
from tests.launch.written_runs import write_learned


class Run:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.is_finished = False

    def define_metric(self, *names, **settings):
        pass

    def log(self, row):
        self.rows.append(row)

    def finish(self, quiet):
        self.is_finished = True


@pytest.fixture
def library(monkeypatch):
    """Something that is imported as the library is."""
    module = types.SimpleNamespace(
        Settings=dict, run=Run(), api=types.SimpleNamespace(api_key="secret")
    )
    module.init = lambda **settings: module.run
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    return module


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path / "run")
    made.create()
    save(experiment(), made)
    return made


def write(folder: RunFolder, role: str, text: str) -> None:
    with folder.metrics(role).open("a") as file:
        file.write(text)


def test_what_a_run_writes_is_passed_on_under_tensorboards_tags(folder, library):
    with mirrored(folder, "project"):
        write(folder, "learner", "wall_time,actor_steps,learner_steps,entropy\n1.5,10,5,0.5\n")
        write(folder, "actor", "wall_time,actor_steps,learner_steps,actor,episode_return\n")
        write(folder, "actor", "1.5,20,5,1,7.5\n")
    assert library.run.is_finished
    assert {"policy/entropy": 0.5, "actor_steps": 10} in library.run.rows
    assert {"learning/actor_return": 7.5, "actor_steps": 20} in library.run.rows


def test_gradient_steps_are_the_axis_where_nobody_acts(tmp_path, library):
    folder = write_learned(tmp_path / "learned", [-2.0, -1.0])
    with mirrored(folder, "project"):
        pass
    assert {"policy/log_likelihood": -1.0, "learner_steps": 2} in library.run.rows


def test_a_run_that_has_not_begun_is_waited_for(folder, library):
    text = folder.experiment.read_text()
    folder.experiment.unlink()
    with mirrored(folder, "project"):
        time.sleep(0.2)
        # Whole at once, as a run writes it.
        write_text(folder.experiment, text)
        time.sleep(0.3)
        write(folder, "learner", "actor_steps,loss\n1,0.5\n")
    assert {"loss/loss": 0.5, "actor_steps": 1} in library.run.rows


def test_nothing_is_done_that_is_not_asked_for(folder):
    before = threading.active_count()
    with mirrored(folder, None):
        assert threading.active_count() == before


def test_a_failure_costs_one_note_and_nothing_else(folder, library, capsys):
    def log(row):
        raise ConnectionError("there is no network\nand more of that")

    library.run.log = log
    with mirrored(folder, "project"):
        write(folder, "learner", "actor_steps,loss\n1,0.5\n")
    _, err = capsys.readouterr()
    assert err.startswith("quinoa: note: Weights & Biases: ConnectionError: there is no network. ")
    assert err.count("\n") == 1


def test_an_upload_that_hangs_does_not_keep_the_run(folder, library, monkeypatch, capsys):
    monkeypatch.setattr(wandb_mirror, "_CLOSE_S", 0.1)
    go_on = threading.Event()
    library.run.finish = lambda quiet: go_on.wait(60)
    with mirrored(folder, "project"):
        pass
    go_on.set()
    assert "has not taken the last rows" in capsys.readouterr().err


def test_no_account_is_said_before_anything_starts(library, monkeypatch):
    wandb_mirror.check()
    library.api.api_key = None
    with pytest.raises(ExperimentError, match="wandb login"):
        wandb_mirror.check()
    monkeypatch.setenv("WANDB_MODE", "offline")
    wandb_mirror.check()


def test_no_library_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.setattr("quinoa.launch.machine.process_environment.set_for_this_process", dict)
    root = tmp_path / "run"
    assert cli.main(train_command(root, "--wandb=project")[3:]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "pip install" in err
    assert not root.exists()


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("wandb") is None, reason="the library is not installed"
)
def test_the_real_library_takes_a_run_offline(tmp_path):
    root = tmp_path / "run"
    done = subprocess.run(
        train_command(root, "--engine=serial", "--steps=900", "--wandb=project"),
        cwd=ROOT,
        env={**os.environ, "WANDB_MODE": "offline", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert "Weights & Biases" not in done.stderr
    (kept,) = (root / "wandb").glob("offline-run-*/run-*.wandb")
    data = kept.read_bytes()
    for tag in (b"learning/evaluation_return", b"policy/entropy", b"throughput/learner_steps"):
        assert re.search(re.escape(tag), data), tag
