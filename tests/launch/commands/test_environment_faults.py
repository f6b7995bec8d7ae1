"""What each command makes of an environment that ends the process, or cannot be closed."""

from __future__ import annotations

import pytest

from quinoa.environments import canonical
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json
from tests.launch.helpers import train_command

HERE = "tests.launch.factories"
EXITS = f"{HERE}:exits_in_its_first_step"
UNCLOSABLE = f"{HERE}:unclosable"

pytestmark = pytest.mark.usefixtures("shared_learners")


def test_a_run_that_is_exited_is_no_finished_one(quinoa, tmp_path):
    root = tmp_path / "run"
    command = train_command(root, "--engine=serial", environment=f"{HERE}:exits_later")
    status, out, err = quinoa(*command[3:])
    assert status == 1
    assert "SystemExit: 0" in err.strip().splitlines()[-1]
    assert "Return of the final policy" not in out
    result = read_json(RunFolder(root).result)
    assert result["outcome"] == "failed"
    assert "SystemExit: 0" in result["error"]


@pytest.mark.parametrize("command", ["evaluate", "video", "policy"])
def test_what_plays_a_policy_says_so_and_fails(quinoa, run_of, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    flags = {"evaluate": [], "video": ["--out=x.gif"], "policy": ["--out=x.png"]}[command]
    status, _, err = quinoa(command, str(run_of("iq", EXITS).root), *flags)
    assert status == 1
    assert err.strip().count("\n") == 0
    assert "at step 1 of its episode: SystemExit: 0" in err
    assert not list(tmp_path.glob("*.png"))


def test_a_check_says_where(quinoa):
    status, out, _ = quinoa("check", EXITS, "--seconds=0")
    assert status == 1
    assert "FAILED" in out and "SystemExit: 0 (factories.py, line " in out


@pytest.mark.parametrize("kind", ["agent", "env"])
def test_a_module_that_exits_when_it_is_imported_is_one_line(quinoa, tmp_path, monkeypatch, kind):
    name = f"leaving_{kind}"
    (tmp_path / f"{name}.py").write_text("import sys\nsys.exit(0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    root = tmp_path / "run"
    given = f"{name}:make" if kind == "env" else name
    status, out, err = quinoa("train", f"--{kind}={given}", f"--folder={root}")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert name in err and "SystemExit: 0" in err
    assert not root.exists()


@pytest.fixture
def nothing_said(monkeypatch):
    """Of no environment has it been said that it cannot be closed."""
    monkeypatch.setattr(canonical, "_logged", set())


NOTE = f"quinoa: note: {UNCLOSABLE}: its close() fails, which changes nothing else: RuntimeError: "


def test_a_run_finishes_though_its_environment_cannot_be_closed(quinoa, tmp_path, nothing_said):
    root = tmp_path / "run"
    command = train_command(root, "--engine=serial", "--steps=600", environment=UNCLOSABLE)
    status, out, err = quinoa(*command[3:])
    assert status == 0, err
    assert "Return of the final policy" in out
    assert read_json(RunFolder(root).result)["outcome"] == "finished"
    assert err.count(NOTE) == err.count("its close() fails") == 1


@pytest.mark.parametrize(
    ("command", "said"), [("evaluate", "Return: "), ("video", ".gif"), ("policy", ".png")]
)
def test_what_was_played_is_shown_though_it_cannot_be_closed(
    quinoa, run_of, tmp_path, nothing_said, command, said
):
    flags = {
        "evaluate": ["--episodes=3"],
        "video": ["--episodes=2", "--length=3", "--size=64", f"--out={tmp_path / 'x.gif'}"],
        "policy": ["--step=1", f"--out={tmp_path / 'x.png'}"],
    }[command]
    status, out, err = quinoa(command, str(run_of("iq", UNCLOSABLE).root), *flags)
    assert status == 0, err
    assert said in out
    assert err.count(NOTE) == 1
