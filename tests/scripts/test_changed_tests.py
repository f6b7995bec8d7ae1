from __future__ import annotations

import importlib.util
import subprocess

import pytest

from tests.launch.helpers import ROOT

SCRIPT = ROOT / "scripts" / "changed_tests.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("changed_tests", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def root(tmp_path):
    """A repository with tests of some modules."""
    for name in (
        "tests/api/test_train.py",
        "tests/docs/test_links.py",
        "tests/launch/sweep/test_space.py",
        "tests/launch/sweep/test_folder.py",
        "tests/launch/sweep/helpers.py",
        "tests/launch/test_cli.py",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ("quinoa/launch/sweep/space.py", ["launch/sweep/test_space.py"]),
        # Without a mirror of its own.
        (
            "quinoa/launch/sweep/plan.py",
            ["launch/sweep/test_folder.py", "launch/sweep/test_space.py"],
        ),
        ("quinoa/launch/presets/gym.toml", ["launch/test_cli.py"]),
        ("quinoa/run.py", ["api/test_train.py"]),
        ("tests/launch/test_cli.py", ["launch/test_cli.py"]),
        (
            "tests/launch/sweep/helpers.py",
            ["launch/sweep/test_folder.py", "launch/sweep/test_space.py"],
        ),
        ("docs/runs.md", ["docs/test_links.py"]),
        ("README.md", ["docs/test_links.py"]),
        ("tests/launch/test_that_is_gone.py", []),
        ("Makefile", []),
    ],
)
def test_tests_of_a_file_are_those_that_mirror_it(script, root, changed, expected):
    assert script.tests_of([changed], root) == [f"tests/{path}" for path in expected]


def test_every_module_of_ours_has_tests(script):
    done = subprocess.run(
        ["git", "ls-files", "quinoa"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("This is no clone of the repository.")
    modules = [name for name in done.stdout.splitlines() if name.endswith(".py")]
    assert len(modules) > 100
    assert not [name for name in modules if not script.tests_of([name])]


def test_what_has_not_been_committed_is_tested_or_the_last_commit(script, tmp_path, monkeypatch):
    def git(*arguments: str) -> None:
        named = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *named, *arguments], cwd=tmp_path, check=True, capture_output=True)

    monkeypatch.setattr(script, "ROOT", tmp_path)
    git("init")
    for number, name in enumerate(("first.py", "second.py")):
        (tmp_path / name).touch()
        git("add", ".")
        git("commit", "-m", str(number))
    assert script.changed_files() == ["second.py"]
    (tmp_path / "first.py").write_text("x = 1\n")
    (tmp_path / "new.py").touch()
    assert script.changed_files() == ["first.py", "new.py"]


def test_it_is_what_make_runs():
    done = subprocess.run(
        ["make", "--dry-run", "test", "FAST=1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "scripts/changed_tests.py" in done.stdout
    assert "mypy" not in done.stdout
