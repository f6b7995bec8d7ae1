"""Who may import whom: the contract in pyproject.toml fails when it is broken.

Beside it, what import-linter cannot see: names of algorithms in launch/, and private names that are
imported from elsewhere.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tomli

from quinoa.agents import registry
from tests.launch.helpers import ROOT

PACKAGE = ROOT / "quinoa"
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


def sources(package: str) -> list[Path]:
    found = sorted((PACKAGE / package).rglob("*.py"))
    assert found
    return found


def algorithms() -> set[str]:
    """The packages of algorithms: those in agents/ that have an agent of their own."""
    return {path.parent.name for path in (PACKAGE / "agents").glob("*/agent.py")}


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A copy of the package and of the contract, in which a test may break a rule."""
    folder = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, folder / "quinoa", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def lint(copy: Path) -> tuple[int, str]:
    """The exit status and the output, as one line, of the check in a copy."""
    done = subprocess.run(
        [LINT_IMPORTS, "--no-cache"], cwd=copy, capture_output=True, text=True, timeout=60
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_the_contract_is_kept(copy):
    status, out = lint(copy)
    assert status == 0, out
    assert " 0 broken." in out


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        # From a room of launch/ to one above it.
        ("launch.storage.files", "from quinoa.launch.run import events", "Rooms of launch/"),
        # Where it is for types only.
        (
            "launch.run.run_folder",
            "import typing\nif typing.TYPE_CHECKING:\n    import quinoa.launch.experiment",
            "Rooms of launch/",
        ),
        # Where it happens only once a function is called, and between rooms of one floor.
        (
            "launch.storage.files",
            "def load():\n    from quinoa.launch import presets",
            "Rooms of launch/",
        ),
        ("agents.learner", "import quinoa.launch.errors", "Packages import downwards only"),
        ("environments.registry", "from quinoa.agents import types", "Packages import downwards"),
        ("launch.train", "from quinoa import session", "Packages import downwards only"),
        ("launch.train", "from quinoa.agents.iq import loss", "launch/ imports no algorithm"),
        ("agents.learner", "import quinoa.agents.iq.config", "Algorithms know nothing of one"),
        ("agents.sac.agent", "import quinoa.agents.iq.loss", "Algorithms know nothing of one"),
    ],
)
def test_an_import_against_the_order_breaks_the_contract(copy, module, line, contract):
    path = (copy / "quinoa").joinpath(*module.split(".")).with_suffix(".py")
    before = path.read_text(encoding="utf-8")
    path.write_text(f"{before}\n\n{line}\n", encoding="utf-8")
    try:
        status, out = lint(copy)
    finally:
        path.write_text(before, encoding="utf-8")
    assert status == 1
    assert re.search(rf"{re.escape(contract)}[^.]* BROKEN", out), out
    # It names the import, with its line.
    assert re.search(rf"quinoa\.{re.escape(module)} -> quinoa\.\S+ \(l\.\d+\)", out), out


@pytest.mark.parametrize("package", ["", "agents", "launch"])
def test_a_new_module_must_be_given_its_place(copy, package):
    path = copy / "quinoa" / package / "cellar.py"
    path.write_text('"""Nobody knows where it belongs."""\n', encoding="utf-8")
    try:
        status, out = lint(copy)
    finally:
        path.unlink()
    assert status == 1
    assert "cellar" in out


def test_the_contract_lists_every_algorithm():
    assert len(algorithms()) >= 2
    assert len(registry.names()) >= 6
    configuration = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = configuration["tool"]["importlinter"]["contracts"]
    (forbidden,) = (c["forbidden_modules"] for c in contracts if c["type"] == "forbidden")
    assert set(forbidden) == {f"quinoa.agents.{algorithm}" for algorithm in algorithms()}


def test_launch_names_no_algorithm():
    names = {name for name, _ in registry.names()} | algorithms()
    # The program goes by the name of one of them.
    names -= {"quinoa"}
    pattern = re.compile(rf"(?<![A-Za-z_])({'|'.join(sorted(names))})(?![A-Za-z_])", re.IGNORECASE)
    for path in sources("launch"):
        found = pattern.findall(path.read_text(encoding="utf-8"))
        assert not found, f"{path} names {found}"


def test_launch_says_quinoa_as_the_name_of_the_program_only():
    """Not as a value that could choose an agent."""
    for path in sources("launch"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant):
                assert node.value != "quinoa" or path.name == "provenance.py", path
            name = getattr(node, "id", getattr(node, "attr", getattr(node, "name", None)))
            assert not (isinstance(name, str) and "quinoa" in name.lower()), path


def test_no_private_name_is_imported():
    for path in sources("."):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module != "__future__":
                names = [*node.module.split("."), *(alias.name for alias in node.names)]
                private = [name for name in names if name.startswith("_")]
                assert not private or names[0] != "quinoa", f"{path} imports {private}"


def modules_outside_tests() -> list[Path]:
    folders = (PACKAGE, ROOT / "benchmarks", ROOT / "scripts")
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def num_lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_no_module_is_long():
    long = [
        path.relative_to(ROOT).as_posix()
        for path in modules_outside_tests()
        if num_lines(path) > 350
    ]
    assert not long, "split by idea"


def test_no_module_is_so_small_that_another_could_hold_it():
    small = [
        path.relative_to(ROOT).as_posix()
        for path in modules_outside_tests()
        if path.name != "__init__.py" and num_lines(path) < 25
    ]
    # Every room imports it, and it imports none.
    assert small == ["quinoa/launch/errors.py"]
