"""The walls between the packages: what may know of what."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from quinoa.agents import registry

SOURCES = Path(__file__).parents[1] / "quinoa"


def sources(package: str) -> list[Path]:
    found = sorted((SOURCES / package).rglob("*.py"))
    assert found
    return found


def imports(path: Path) -> Iterator[str]:
    """The full names of all that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def algorithms() -> set[str]:
    """The packages of algorithms: those in agents/ that have an agent of their own."""
    return {path.parent.name for path in (SOURCES / "agents").glob("*/agent.py")}


def test_there_are_algorithms_to_look_for():
    assert len(algorithms()) >= 2
    assert len(registry.names()) >= 6


@pytest.mark.parametrize("package", ["agents", "environments"])
def test_nothing_below_knows_launch(package):
    for path in sources(package):
        assert not [name for name in imports(path) if name.startswith("quinoa.launch")], path


def test_environments_know_nothing_of_agents():
    for path in sources("environments"):
        assert not [name for name in imports(path) if name.startswith("quinoa.agents")], path


def test_launch_imports_no_algorithm():
    forbidden = tuple(f"quinoa.agents.{algorithm}" for algorithm in algorithms())
    for path in sources("launch"):
        found = [name for name in imports(path) if f"{name}.".startswith(forbidden)]
        assert not found, f"{path} imports {found}"


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


def test_shared_parts_of_agents_know_no_algorithm():
    """The learner, the actor loop and replay serve all; the registry lists them by name."""
    shared = [
        path
        for path in sources("agents")
        if path.relative_to(SOURCES / "agents").parts[0] not in algorithms()
    ]
    forbidden = tuple(f"quinoa.agents.{algorithm}." for algorithm in algorithms())
    for path in shared:
        assert not [name for name in imports(path) if f"{name}.".startswith(forbidden)], path
