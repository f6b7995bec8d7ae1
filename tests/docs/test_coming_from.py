"""docs/coming_from.md says of each name of another library what the errors say."""

from __future__ import annotations

import dataclasses
import re

from quinoa.agents import registry
from quinoa.config import other_libraries
from quinoa.launch.commands.options import train_flags
from tests.launch.helpers import ROOT


def _rows() -> list[tuple[set[str], set[str]]]:
    """The names that stand left and right in each row of the page's first table."""
    page = (ROOT / "docs" / "coming_from.md").read_text(encoding="utf-8")
    table = page.partition("## Settings")[2].partition("## ")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    names = [
        tuple({re.split("[=]", span)[0] for span in re.findall("`([^`]+)`", cell)} for cell in row)
        for row in rows[2:]
    ]
    return [(left, right) for left, right in names]


def test_names_of_other_libraries_are_those_of_the_errors():
    of_errors = {name: set(here) for name, here in other_libraries.SETTINGS.items()}
    of_errors |= {name: {f"--{here}"} for name, here in other_libraries.FLAGS.items()}
    on_page: dict[str, set[str]] = {}
    for left, right in _rows():
        for name in left:
            on_page.setdefault(name, set()).update(right)
    same = {name for name, here in on_page.items() if name in here and name not in of_errors}
    assert set(on_page) - same == set(of_errors)
    for name, here in of_errors.items():
        assert here <= on_page[name], name


def test_all_that_is_said_to_be_here_is():
    settings = {
        field.name
        for name, _ in registry.names()
        for field in dataclasses.fields(registry.load_config(name).config)
    }
    flags = {f"--{name}" for name in train_flags.define()}
    for _, right in _rows():
        assert right <= settings | flags
