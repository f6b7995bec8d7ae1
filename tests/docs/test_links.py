from __future__ import annotations

import re

import pytest

from tests.docs import fences
from tests.launch.helpers import ROOT

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)[^)]*\)")


def links(page):
    """The relative links and images of a page, without what follows a #."""
    for target in _LINK.findall(fences.prose(page)):
        if not re.match(r"[a-z]+:", target) and not target.startswith("#"):
            yield target.partition("#")[0]


def test_there_are_pages_and_links_to_look_at():
    assert len(fences.pages()) >= 8
    assert sum(len(list(links(page))) for page in fences.pages()) >= 40


@pytest.mark.parametrize("page", fences.pages(), ids=fences.name)
def test_every_link_and_picture_of_a_page_exists(page):
    for target in links(page):
        assert not target.startswith("/"), target
        # A folder would be no page of the HTML that is built of them.
        assert (page.parent / target).resolve().is_file(), f"{page}: {target}"


@pytest.mark.parametrize("page", fences.pages(), ids=fences.name)
def test_every_file_of_the_source_that_a_page_names_exists(page):
    """Placeholders in capitals stand for what a reader adds."""
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"`((?:benchmarks|deploy|quinoa|scripts|tests)/[\w./*]+)`", text):
        assert re.search(r"[A-Z]{4}", path) or list(ROOT.glob(path.rstrip("/"))), path


def test_every_page_can_be_found_from_the_map():
    """From docs/index.md, or from a page that it links to and that stands for several others."""
    docs = ROOT / "docs"
    index = docs / "index.md"
    linked = {index}
    for page in (index, docs / "decisions" / "index.md", docs / "cluster.md"):
        assert page in linked
        linked |= {(page.parent / target).resolve() for target in links(page)}
    lost = [fences.name(page) for page in fences.pages() if page not in linked]
    assert not lost, f"docs/index.md has no link to {', '.join(lost)}"


def test_every_picture_is_shown_by_some_page():
    shown = {(page.parent / target).resolve() for page in fences.pages() for target in links(page)}
    pictures = {p for p in (ROOT / "docs").rglob("*") if p.suffix in (".png", ".svg", ".gif")}
    assert pictures
    assert not pictures - shown
