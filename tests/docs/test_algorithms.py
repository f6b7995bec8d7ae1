"""The pages of the algorithms quote the code as it is, where they say that it is."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
from pathlib import Path

import pytest

from quinoa.agents import registry

PAGES = Path(__file__).parents[2] / "docs" / "algorithms"
EVERY = pytest.mark.parametrize("name", [page.stem for page in sorted(PAGES.glob("*.md"))])

QUOTE = re.compile(r"\[`([^`]+)`\]\(([^)]+)\), `([^`]+)`[^\n]*:\n\n```python\n(.*?)```", re.DOTALL)

# What begins with an import is for readers to run.
EXAMPLE = re.compile(r"^```python\n((?:from|import) .*?)^```", re.DOTALL | re.MULTILINE)


def text_of(name: str) -> str:
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


def source_of(path: Path, qualified: str) -> list[str]:
    """The lines of a function of a file, by its qualified name, without their indentation."""
    source = path.read_text(encoding="utf-8")
    nodes: list[ast.stmt] = ast.parse(source).body
    for part in qualified.split("."):
        (node,) = [each for each in nodes if getattr(each, "name", None) == part]
        nodes = getattr(node, "body", [])
    segment = ast.get_source_segment(source, node)
    assert segment is not None
    return [line.strip() for line in segment.splitlines()]


@EVERY
def test_each_line_that_is_quoted_is_in_the_function_that_is_named(name):
    quotes = QUOTE.findall(text_of(name))
    assert len(quotes) >= 4
    examples = EXAMPLE.findall(text_of(name))
    assert len(quotes) + len(examples) == text_of(name).count("```python")
    for shown, link, function, code in quotes:
        path = (PAGES / link).resolve()
        assert path.as_posix().endswith(shown)
        quoted = [line.strip() for line in code.splitlines()]
        lines = source_of(path, function)
        starts = range(len(lines) - len(quoted) + 1)
        assert any(lines[i : i + len(quoted)] == quoted for i in starts), (function, code)


@EVERY
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # What stands for a town that a reader has downloaded.
    village = Path(__file__).parents[1] / "irl" / "village.graphml"
    (tmp_path / "piedmont.graphml").write_bytes(village.read_bytes())
    names: dict[str, object] = {}
    for code in EXAMPLE.findall(text_of(name)):
        exec(compile(code, f"{name}.md", "exec"), names)


@EVERY
def test_links_lead_somewhere(name):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text_of(name))
    assert links
    for link in links:
        assert (PAGES / link).exists(), link


@EVERY
def test_settings_in_the_tables_are_those_of_the_algorithm(name):
    config = importlib.import_module(f"quinoa.agents.{name}").Config
    fields = {field.name for field in dataclasses.fields(config)}
    table = text_of(name).split("## Settings")[1]
    for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE):
        assert set(re.findall(r"`(\w+)`", row)) <= fields, row


def test_every_algorithm_has_its_page():
    pages = {page.stem for page in PAGES.glob("*.md")}
    for name, _ in registry.names():
        (package,) = registry.load_config(name).config_class.__module__.split(".")[2:3]
        assert package in pages
        assert f"`{name}`" in text_of(package) or f"--agent={name}" in text_of(package)
