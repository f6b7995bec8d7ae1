from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import pytest

from tests.docs import fences
from tests.launch.helpers import ROOT


@pytest.mark.long
def test_the_documentation_builds_without_a_warning_and_whole(tmp_path):
    out = tmp_path / "docs"
    done = subprocess.run(
        [sys.executable, "scripts/build_docs.py", f"--out={out}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{out / 'index.html'}\n", "")
    for page in fences.pages():
        html = out / page.relative_to(ROOT).with_suffix(".html")
        assert (html if page.name != "README.md" else html.with_name("index.html")).is_file(), page
    architecture = (out / "docs" / "architecture.html").read_text()
    assert architecture.count('<svg class="rooms"') == 2
    links = set(re.findall(r'href="\.\./api/(quinoa\.launch[^"]+)"', architecture))
    assert {"quinoa.launch.cli.html", "quinoa.launch.terminal.html"} <= links
    assert all((out / "api" / link).is_file() for link in links)
    reference = (out / "api" / "quinoa.agents.iq.loss.html").read_text()
    # The docstring and the source.
    assert "Eq. 2" in reference
    assert "def implicit_q" in re.sub("<[^>]+>", "", reference)
    index = json.loads((out / "search" / "search_index.json").read_text())
    found = {entry["location"]: entry["text"] for entry in index["docs"]}
    searched = found["api/quinoa.agents.iq.loss.html#quinoa.agents.iq.loss.implicit_q"]
    # Words are searched, and the source is not.
    assert "(Eq. 1)" in searched and "return" not in searched
    for html in out.rglob("*.html"):
        text = html.read_text()
        # Scripts and styles lie beside the pages; every fence and formula was understood.
        assert not re.search(r"<(script|link)[^>]*(src|href)=.?https?:", text), html
        assert "sh no-run" not in text and "arithmatex" not in text, html


def test_a_formula_that_cannot_be_shown_and_a_link_to_nowhere_are_errors(tmp_path):
    """The same script, on a copy of the tree with a page that is wrong."""
    root = tmp_path / "tree"
    for folder in ("docs", "scripts"):
        shutil.copytree(ROOT / folder, root / folder)
    for folder in ("benchmarks", "quinoa", "tests"):
        (root / folder).mkdir()
    # Its picture is drawn from the package.
    (root / "docs" / "architecture.md").unlink()
    for file in ("mkdocs.yml", "README.md"):
        shutil.copy(ROOT / file, root)
    wrong = "# Wrong\n\n$$\\nosuchcommand{x}$$ and [a page](nowhere.md)\n"
    (root / "docs" / "wrong.md").write_text(wrong)
    done = subprocess.run(
        [sys.executable, "scripts/build_docs.py"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 1
    assert "'nowhere.md', but the target" in done.stderr
    assert "This formula cannot be shown: \\nosuchcommand{x}" in done.stderr
