"""The page about metrics has a row for each that a built-in agent measures."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from quinoa.launch.metrics import tensorboard_names
from quinoa.launch.run.roles import Role
from tests.launch.helpers import ROOT

PAGE = ROOT / "docs" / "tutorials" / "reading_the_metrics.md"


def _measured(path: Path) -> Iterator[str]:
    """The names in the mappings that functions called `metrics` of a module make."""
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef) and function.name == "metrics":
            for node in ast.walk(function):
                if isinstance(node, ast.Dict):
                    for key in node.keys:
                        if isinstance(key, ast.Constant):
                            yield str(key.value)


def test_every_metric_of_an_agent_has_a_row():
    names = {name for path in (ROOT / "agents").rglob("*.py") for name in _measured(path)}
    assert {"entropy", "explained_variance", "shift_difference", "temperature"} <= names
    rows = set(re.findall(r"^\| `([\w/]+)`", PAGE.read_text(), re.MULTILINE))
    assert sorted({str(tensorboard_names.tag(Role.LEARNER, name)) for name in names} - rows) == []
