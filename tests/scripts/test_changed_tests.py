from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.launch.helpers import ROOT
from tests.scripts.loaded import module_of

SCRIPT = ROOT / "scripts" / "changed_tests.py"


@pytest.fixture(scope="module")
def script():
    return module_of(SCRIPT)


@pytest.fixture
def root(tmp_path):
    """A repository with tests of some modules, and what they use."""
    texts = {
        "tests/api/test_train.py": "from tests.launch import (\n    factories,\n    helpers,\n)",
        "tests/docs/test_links.py": 'ROOT / "scripts" / "check_links.py"',
        "tests/docs/test_make.py": '["make", "-f", "Makefile"]',
        "tests/launch/conftest.py": "",
        "tests/launch/factories.py": "",
        "tests/launch/helpers.py": 'ENVIRONMENT = "tests.launch.factories:make"',
        "tests/launch/stored.py": 'RUNS = ROOT / "stored_runs"',
        "tests/launch/sweep/test_space.py": "from tests.launch.sweep.test_folder import FOLDER",
        "tests/launch/sweep/test_folder.py": "from tests.launch.helpers import ROOT",
        "tests/launch/test_cli.py": "from tests.launch.stored import RUNS",
        "tests/stored_runs/local/status.json": "",
        "tests/test_packaging.py": "",
        "scripts/check_links.py": "import addresses",
        "scripts/setup.sh": "",
        "Makefile": "setup: ; scripts/setup.sh requirements.txt",
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
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
        # What tests share: all that import it, or import what does.
        (
            "tests/launch/sweep/test_folder.py",
            ["launch/sweep/test_folder.py", "launch/sweep/test_space.py"],
        ),
        (
            "tests/launch/helpers.py",
            ["api/test_train.py", "launch/sweep/test_folder.py", "launch/sweep/test_space.py"],
        ),
        (
            "tests/launch/factories.py",
            ["api/test_train.py", "launch/sweep/test_folder.py", "launch/sweep/test_space.py"],
        ),
        (
            "tests/launch/conftest.py",
            ["launch/sweep/test_folder.py", "launch/sweep/test_space.py", "launch/test_cli.py"],
        ),
        ("tests/stored_runs/local/status.json", ["launch/test_cli.py"]),
        ("docs/runs.md", ["docs/test_links.py", "docs/test_make.py"]),
        ("README.md", ["docs/test_links.py", "docs/test_make.py"]),
        ("tests/launch/test_that_is_gone.py", []),
        # What is no part of the package: all that name it, or name what does.
        ("scripts/check_links.py", ["docs/test_links.py"]),
        ("scripts/addresses.py", ["docs/test_links.py"]),
        ("scripts/setup.sh", ["docs/test_make.py"]),
        ("Makefile", ["docs/test_make.py"]),
        ("requirements.txt", ["docs/test_make.py", "test_packaging.py"]),
        ("pyproject.toml", ["test_packaging.py"]),
        ("setup.py", ["test_packaging.py"]),
        ("LICENSE", []),
    ],
)
def test_tests_of_a_file_are_those_that_mirror_it(script, root, changed, expected):
    assert script.tests_of([changed], root) == [f"tests/{path}" for path in expected]


def test_every_module_script_and_setting_of_ours_has_tests(script):
    done = subprocess.run(
        ["git", "ls-files", "quinoa", "scripts"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("This is no clone of the repository.")
    names = [name for name in done.stdout.splitlines() if Path(name).suffix in (".py", ".sh")]
    assert len(names) > 100
    names += ["Makefile", "pyproject.toml", "requirements.txt", "setup.py"]
    # One script has none: it draws pictures for the pages, and is run by hand. (Its name is not
    # here, as this file would then be a test that names it.)
    assert not [
        name for name in names if not (name.endswith("_pictures.py") or script.tests_of([name]))
    ]


def test_what_many_tests_share_is_tested_by_all_of_them(script):
    using = script.tests_of(["tests/launch/helpers.py"])
    importing = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("test_*.py")
        if "from tests.launch.helpers import" in path.read_text(encoding="utf-8")
    ]
    assert len(importing) > 30
    assert set(importing) <= set(using)


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
