"""The page on the architecture says of the code what is so."""

import ast
import re

from tests.launch.helpers import ROOT

PAGE = ROOT / "docs/architecture.md"


def function(path: str, name: str) -> ast.AST:
    """A function or method in a file of the source, by its qualified name."""
    found: ast.AST = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    for part in name.split("."):
        (found,) = (
            node
            for node in ast.iter_child_nodes(found)
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == part
        )
    return found


def names(of: ast.AST) -> set[str]:
    """The names that a function uses, those of attributes included."""
    nodes = list(ast.walk(of))
    return {node.id for node in nodes if isinstance(node, ast.Name)} | {
        node.attr for node in nodes if isinstance(node, ast.Attribute)
    }


def test_a_setting_goes_the_way_that_the_page_shows():
    section = PAGE.read_text(encoding="utf-8").partition("## From a flag to its use")[2]
    section = section.partition("\n## ")[0]
    (setting,) = set(re.findall(r"--(\w+)=20", section))
    way = re.findall(r"^\| `(quinoa/[\w/]+\.py)` `([\w.]+)` \|", section, re.MULTILINE)
    assert 2 <= len(way) <= 9
    used = [names(function(path, name)) for path, name in way]
    # One before it uses it, by its name or its class's: the last one, or the one before that where
    # the last one returns the experiment. A command is run as `run`.
    for index, (path, name) in enumerate(way[1:], start=1):
        known = {name, name.lstrip("_"), name.partition(".")[0], name.rpartition(".")[2]}
        assert known & set().union(*used[max(index - 2, 0) : index]), (path, name)
    assert setting in used[-1]
