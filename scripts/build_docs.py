"""Builds the documentation: every Markdown page, and a page of reference for every module.

    python scripts/build_docs.py [--out=FOLDER]

MkDocs renders the pages and mkdocstrings the docstrings, which it reads without importing anything.
Any warning is an error: a link that leads nowhere, a docstring that describes what there is not.
Formulae become MathML, and the theme brings its own styles and scripts: the pages need nothing from
elsewhere, and work from the disk.
"""

from __future__ import annotations

import argparse
import ast
import gc
import html as html_module
import logging
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import draw_rooms
import formulas
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.config.base import Config
from mkdocs.exceptions import Abort, MkDocsException
from mkdocs.plugins import BasePlugin

# MkDocs counts the warnings of what logs below its own name.
_LOG = logging.getLogger("mkdocs.plugins.mathml")

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "quinoa"
# What pages may show or link to.
_PICTURES = {".gif", ".mp4", ".png", ".svg"}
_CODE = {".py", ".sbatch", ".sh", ".toml", ".yaml"}
_TEXTS = {"", ".cff", ".csv", ".ipynb", ".in", ".json", ".md", ".txt"}
_SUFFIXES = {*_CODE, *_TEXTS, *_PICTURES, ".css", ".js", ".woff2"}
_FOLDERS = ("benchmarks", "deploy", "docs", "quinoa", "scripts", "tests")
_SECTIONS = ("tutorials", "commands", "algorithms", "theory", "decisions")

# What tells tests to leave commands out, which MkDocs would take for no fence at all.
_NO_RUN = re.compile(r"^(```+sh) no-run.*$", re.MULTILINE)
# Where docs/architecture.md has the picture of launch/'s rooms.
_ROOMS = re.compile(r"^<!-- rooms: .*-->$", re.MULTILINE)
# A function's or class's source, below its docstring.
_SOURCE = re.compile(r'<details class="mkdocstrings-source">.*?</details>', re.DOTALL)
_PLACE = re.compile(r"<!-- source (\d+) -->")
_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


class _NoSettings(Config):
    """What `mkdocs.yml` may say of a plugin: nothing."""


class _MathML(BasePlugin[_NoSettings]):
    """Turns the formulae that arithmatex has marked into MathML."""

    def on_page_content(self, html: str, **_: Any) -> str:
        """Called by MkDocs with a page's HTML."""

        def to_mathml(match: re.Match[str]) -> str:
            formula = html_module.unescape(match[3])
            try:
                return formulas.to_html(formula, inline=match[2] == "(")
            except formulas.FormulaError:
                _LOG.warning("This formula cannot be shown: %s", formula)
                return match[0]

        return _FORMULA.sub(to_mathml, html)


class _UnsearchedSources(BasePlugin[_NoSettings]):
    """Keeps the sources on a page out of the search, which is for what is written in words.

    Indexing them took a fifth of the build's time and almost half of the index.
    """

    def __init__(self) -> None:
        super().__init__()
        self._sources: list[str] = []

    def on_page_content(self, html: str, **_: Any) -> str:
        """Called by MkDocs with a page's HTML."""

        def take(match: re.Match[str]) -> str:
            self._sources.append(match[0])
            return f"<!-- source {len(self._sources) - 1} -->"

        return _SOURCE.sub(take, html)

    def on_post_page(self, output: str, **_: Any) -> str:
        """Called by MkDocs with the whole page, after it has been indexed."""
        return _PLACE.sub(lambda match: self._sources[int(match[1])], output)


def main() -> int:
    """Builds the pages; returns the exit status."""
    parser = argparse.ArgumentParser(description="Builds the documentation.")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "docs")
    out = parser.parse_args().out.resolve()
    # Of the millions of objects that pages are made from, hardly any is garbage before the end.
    gc.disable()
    source = out.with_name(f"{out.name}-source")
    shutil.rmtree(source, ignore_errors=True)
    _gather(source)
    _write_reference(source / "api")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    handler.setLevel(logging.WARNING)
    logging.getLogger("mkdocs").addHandler(handler)
    try:
        config = load_config(
            str(ROOT / "mkdocs.yml"), docs_dir=str(source), site_dir=str(out), nav=_nav(source)
        )
        config.plugins["mathml"] = _MathML()
        config.plugins["unsearched_sources"] = _UnsearchedSources()
        build(config)
    except (Abort, MkDocsException) as error:
        print(f"The documentation cannot be built: {error}", file=sys.stderr)
        return 1
    shutil.rmtree(source)
    # A server's answer to a wrong address, which finds its styles on a server only.
    (out / "404.html").unlink()
    print(out / "index.html")
    return 0


def _gather(source: Path) -> None:
    """Copies the pages and what they may link to, laid out as they are here."""
    candidates: list[Path] = [path for path in ROOT.iterdir() if path.is_file()]
    for folder in _FOLDERS:
        candidates += (path for path in (ROOT / folder).rglob("*") if path.is_file())
    for path in candidates:
        if path.suffix in _SUFFIXES and not path.name.startswith("."):
            copy = source / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".md":
                text = _NO_RUN.sub(r"\1", path.read_text(encoding="utf-8"))
                text = _ROOMS.sub(lambda _: draw_rooms.for_page(), text)
                copy.write_text(text, encoding="utf-8")
            else:
                shutil.copy(path, copy)


def _modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def _write_reference(folder: Path) -> None:
    """Writes a page for each module, and one that lists them."""
    folder.mkdir()
    lines = ["# API reference", "", "From the docstrings, module by module.", ""]
    for module, path in _modules():
        about = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition(
            "\n"
        )[0]
        if "." not in module:
            lines += ["", f"## {module}", ""]
        lines.append(f"- [{module}]({module}.md): {about}")
        page = f"# {module}\n\n::: {module}\n"
        (folder / f"{module}.md").write_text(page, encoding="utf-8")
    (folder / "index.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _nav(source: Path) -> list[Any]:
    def pages(folder: Path) -> Iterable[str]:
        found = sorted(folder.glob("*.md"), key=lambda path: (path.name != "index.md", path))
        return (str(path.relative_to(source)) for path in found)

    nav: list[Any] = [{"Quinoa": "README.md"}, "docs/index.md", "docs/installation.md"]
    for section in _SECTIONS:
        if found := list(pages(source / "docs" / section)):
            nav.append({section.capitalize(): found})
    rest = [page for page in pages(source / "docs") if page not in nav]
    rest += (path.name for path in sorted(source.glob("*.md")) if path.name != "README.md")
    return [*nav, {"More": rest}, "api/index.md"]


if __name__ == "__main__":
    sys.exit(main())
