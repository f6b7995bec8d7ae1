"""What only answers a question imports nothing that takes long to import."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.launch import written_runs
from tests.launch.helpers import ROOT

HEAVY = {
    "acme",
    "dm_control",
    "gymnasium",
    "jax",
    "launchpad",
    "matplotlib",
    "mujoco",
    "pandas",
    "reverb",
    "scipy",
    "sonnet",
    "tensorflow",
    "tensorflow_probability",
}


def imported(*arguments: str) -> tuple[int, set[str]]:
    """The exit status of a command, and the packages that it imports."""
    command = [sys.executable, "-X", "importtime", "-m", "quinoa.launch.cli", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    return done.returncode, {line.split("|")[-1].strip().partition(".")[0] for line in lines}


# The exit status of each command line.
ANSWERS = {
    "--help": 0,
    "--version": 0,
    "train --help": 0,
    "sweep --help": 0,
    "list": 0,
    "completion bash": 0,
    "__complete fish tr": 0,
    "__complete fish train --agent=": 0,
    "__complete fish train --env=control:": 0,
    "__complete fish train --preset=": 0,
    "__complete fish train --agent=sac --set lea": 0,
    "trian": 2,
    "train --evn=x": 2,
    "train --steps=many": 2,
    "train --set learning_rat=1": 2,
    "train --set learning_rate=-1": 2,
    "train --agent=IQ": 2,
    "train --agent=no_such_package.agent": 2,
    "train --env=Pendulum-v1": 2,
    "train --env=walker": 2,
    "train --env=control:walker:wlak": 2,
    "train --env=no_such_package:make": 2,
    "train --preset=iq": 2,
    "sweep --env=walker": 2,
    "check walker": 2,
    "check IQ": 2,
    "sweep learning_rat=1,2": 2,
    "evaluate /nowhere": 2,
    "plot /nowhere": 2,
}

# Of all that has to be asked, this takes longest: it comes last.
OF_GYMNASIUM = "train --env=gym:HalfCheeta-v5"

# Each line's status, and what it has imported that the ones before have not.
_SCRIPT = """
import contextlib, io, json, sys
from quinoa.launch import cli

answers, before = [], set()
for line in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        status = cli.main(line.split())
    packages = {name.partition(".")[0] for name in sys.modules}
    answers.append([status, sorted(packages - before)])
    before |= packages
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers() -> dict[str, tuple[int, set[str]]]:
    """What the lines come to, one after the other in one process, which begins with nothing."""
    lines = (*ANSWERS, OF_GYMNASIUM)
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *lines],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return {line: (status, set(new)) for line, (status, new) in zip(lines, found, strict=True)}


@pytest.mark.parametrize(("line", "status"), ANSWERS.items())
def test_an_answer_comes_before_what_takes_long_is_imported(answers, line, status):
    returned, packages = answers[line]
    assert returned == status
    assert not packages & HEAVY


def test_the_program_itself_imports_nothing_of_it_either():
    returned, packages = imported("list")
    assert returned == 0
    assert "quinoa" in packages
    assert not packages & HEAVY


def test_only_gymnasium_knows_what_other_packages_register_with_it(answers):
    """And the tests above would see it."""
    returned, packages = answers[OF_GYMNASIUM]
    assert returned == 2
    assert packages & HEAVY == {"gymnasium", "mujoco"}


def test_status_too(tmp_path):
    folder = written_runs.write_run(tmp_path / "run")
    _, packages = imported("status", str(folder.root), "--once")
    assert "rich" in packages
    assert not packages & {*HEAVY, "numpy"}


def test_a_folder_that_is_taken_too(tmp_path):
    folder = written_runs.write_run(tmp_path / "run")
    returned, packages = imported("train", f"--folder={folder.root}")
    assert returned == 2
    assert not packages & HEAVY
