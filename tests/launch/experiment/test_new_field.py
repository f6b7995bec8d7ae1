"""A new field of an experiment is one addition to one file: all that is known of it follows."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import quinoa

FIELD = '''
    patience: Annotated[int, Bounds(at_least=2)] = 7
    """How long it waits, in minutes."""
'''

# Run with a copy of the sources that has the field.
PROGRAM = """
import dataclasses, sys
from pathlib import Path

import quinoa
assert Path(quinoa.__file__).is_relative_to(Path.cwd()), quinoa.__file__
from absl import flags
from quinoa.launch import cli, resume
from quinoa.launch.commands.completion.cursor import complete
from quinoa.launch.commands.options import train_flags
from quinoa.launch.commands.running.new_experiment import make_experiment
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment.saved import load, save
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json, write_json


def made(*texts):
    values = train_flags.define()
    values(["quinoa train", *texts])
    return make_experiment(values, {})


def refused(make):
    try:
        make()
    except (ExperimentError, flags.Error) as error:
        return str(error)
    raise AssertionError("nothing was refused")


def offered(*words):
    return [each.text for each in complete(cli._COMMANDS, words[:-1], words[-1]).listed]


assert made().patience == 7
waits = made("--patience=9")
assert waits.patience == 9
for text in ("1", "2.5", "long"):
    message = refused(lambda: made(f"--patience={text}"))
    assert f"--patience={text}: it must be a whole number, at least 2" in message, message
message = refused(lambda: dataclasses.replace(waits, patience=1))
assert message == "patience = 1 cannot work: it must be at least 2.", message

folder = RunFolder(Path("run"))
folder.create()
save(waits, folder)
saved = read_json(folder.experiment)
assert saved["experiment"]["patience"] == 9
assert load(folder) == waits
del saved["experiment"]["patience"]
write_json(folder.experiment, saved)
assert load(folder).patience == 7, "a run from before the field has its default"

assert resume.changes(made(), waits) == {"patience": "7 → 9"}
assert offered("train", "--pat") == ["--patience="]
assert offered("train", "--change=pat") == ["--change=patience"]
assert offered("sweep", "pati") == ["patience="]
assert quinoa.Experiment(patience=9).resolve() == waits
assert "patience = 1" in refused(lambda: quinoa.Experiment(patience=1)).replace("=", " = ")
for command in ("train", "sweep"):
    cli.main([command, "--help"])
"""


@pytest.fixture
def copy(tmp_path):
    """A folder with a copy of the package whose experiments have one field more."""
    shutil.copytree(
        Path(quinoa.__file__).parent,
        tmp_path / "quinoa",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    path = tmp_path / "quinoa/launch/experiment/__init__.py"
    text = path.read_text(encoding="utf-8")
    before, line, after = text.partition("    steps: Annotated[")
    assert line and "patience" not in text
    path.write_text(f"{before}    {FIELD.strip()}\n{line}{after}", encoding="utf-8")
    return tmp_path


def test_a_new_field_is_one_edited_file(copy):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=copy, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    for help_ in done.stdout.split("usage: ")[1:]:
        _, flag, text = help_.partition("--patience=...")
        assert flag and text.split("--")[0].split() == [
            *["How", "long", "it", "waits,", "in", "minutes.", "(default:", "7)"]
        ]
    assert done.stdout.count("usage: ") == 2
