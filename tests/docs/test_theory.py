"""The page on the theory prints what it shows, run block by block as a reader would."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.docs import fences
from tests.launch.helpers import ROOT

PAGE = ROOT / "docs" / "theory" / "pg_is_soft_q.md"
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[+-]\d+)?")
# Differences of what is equal are rounding, which is another one on another machine.
EXACT = 1e-10


def check(shown: str, printed: str) -> None:
    """That two texts have the same words, and the same numbers up to rounding."""
    assert NUMBER.sub("#", printed) == NUMBER.sub("#", shown)
    for one, other in zip(NUMBER.findall(printed), NUMBER.findall(shown), strict=True):
        small = abs(float(one)) < EXACT and abs(float(other)) < EXACT
        assert small or float(one) == pytest.approx(float(other), rel=0.01), (printed, shown)


def test_every_block_prints_what_is_shown_below_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = fences.fences(PAGE)
    code = [block for block in blocks if block.language == "python"]
    assert len(code) > 10 and {block.language for block in blocks} == {"python", "text"}
    names: dict[str, Any] = {"__name__": "__main__"}
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        if block.language != "python":
            continue
        exec(compile(block.text, PAGE.name, "exec"), names)
        printed = capsys.readouterr().out
        shown = "" if following is None or following.language != "text" else following.text
        check(shown, printed)
    # The picture of the page is one of its blocks'.
    written = [path.name for path in tmp_path.iterdir()]
    assert written == ["error_propagation.png"]
    assert (PAGE.parent / written[0]).read_bytes().startswith(b"\x89PNG")


def test_a_number_that_has_changed_is_told():
    check("off by 1.2e-15 of 0.250", "off by 4.0e-16 of 0.251")
    for other in ("off by 1.2e-03 of 0.250", "off by 4.0e-16 of 0.260", "short of 0.250"):
        with pytest.raises(AssertionError):
            check("off by 1.2e-15 of 0.250", other)
