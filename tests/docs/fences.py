"""What the documentation's fenced blocks hold."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.launch.helpers import ROOT

_FENCE = re.compile(r"^(```+)[ \t]*(\S*)[ \t]*(.*?)\n(.*?)^\1[ \t]*$", re.DOTALL | re.MULTILINE)


class Fence(NamedTuple):
    """A fenced block.

    Attributes:
        language: the first word after the fence, or nothing.
        info: the rest of that line.
        text: what the block holds.
    """

    language: str
    info: str
    text: str


def pages() -> list[Path]:
    """Every Markdown page of the documentation."""
    folders = (ROOT / "deploy", ROOT / "docs")
    return sorted(
        [*ROOT.glob("*.md"), *(page for folder in folders for page in folder.rglob("*.md"))]
    )


def name(page: Path) -> str:
    """What a test calls a page."""
    return str(page.relative_to(ROOT))


def fences(page: Path) -> list[Fence]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [Fence(*match.group(2, 3, 4)) for match in _FENCE.finditer(text)]


def prose(page: Path) -> str:
    """A page without its fenced blocks and code spans."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return re.sub(r"`[^`]*`", "", text)


def commands(fence: Fence) -> list[str]:
    """The lines of a block of commands, continued ones joined; none of another block."""
    if fence.language != "sh":
        return []
    lines = fence.text.replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip()]


def to_run(page: Path) -> list[str]:
    """The commands of a page that are to work as printed, in order.

    They are those fenced as `sh`, one a line; `no-run` after it, with the reason, leaves them out.
    """
    return [
        command
        for fence in fences(page)
        if fence.language == "sh" and "no-run" not in fence.info
        for command in commands(fence)
        if not command.startswith("#")
    ]


def write_files(page: Path, folder: Path) -> list[Path]:
    """Writes the files of a page under a folder; their packages get an empty __init__.py.

    They are those fenced as `python title="my_package/my_module.py"`.
    """
    written = []
    for fence in fences(page):
        title = re.fullmatch(r'title="(.+)"', fence.info)
        if title is None:
            continue
        path = folder / title[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(fence.text, encoding="utf-8")
        written.append(path)
        for parent in path.relative_to(folder).parents:
            if path.suffix == ".py" and parent != Path("."):
                (folder / parent / "__init__.py").touch()
    return written


def words_after(program: str, page: Path) -> Iterator[list[str]]:
    """What follows the name of a program, in each line of a page that calls it."""
    for fence in fences(page):
        for command in commands(fence):
            words = shlex.split(command, comments=True)
            if words and Path(words[0]).name == program:
                yield words[1:]
