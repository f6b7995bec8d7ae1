"""What the pages of docs/ have a reader write and type.

Two kinds of fenced blocks count. Code that is to be written to a file says which:

    ```python title="my_package/my_module.py"

and in a block that begins with ```sh, each line is one command (but for those of comments alone).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parents[2] / "docs"

_FENCE = re.compile(
    r'^```(?P<language>\w*)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced block: its language, the file that it is, if it is one, and its text."""

    language: str
    title: str | None
    text: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = [Block(m["language"], m["title"], m["text"]) for m in _FENCE.finditer(text)]
    # Else a fence is written in a way that this does not read.
    assert 2 * len(found) == len(re.findall(r"^```", text, re.MULTILINE)), page
    return found


def write_files(page: Path, folder: Path) -> list[Path]:
    """Writes the files of a page under a folder; their packages get an empty __init__.py."""
    written = []
    for block in blocks(page):
        if block.title is None:
            continue
        path = folder / block.title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
        written.append(path)
        for parent in path.relative_to(folder).parents:
            if path.suffix == ".py" and parent != Path("."):
                (folder / parent / "__init__.py").touch()
    return written


def commands(page: Path) -> list[str]:
    """The commands of a page, in order."""
    lines = [line for b in blocks(page) if b.language == "sh" for line in b.text.splitlines()]
    return [line for line in lines if line.strip() and not line.startswith("#")]
