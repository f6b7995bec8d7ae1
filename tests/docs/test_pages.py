"""The pages in a real browser, as wide as a desk's screen and as a phone's, light and dark."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.launch.helpers import ROOT


def check(pages: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "scripts/check_pages.py", f"--pages={pages}", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    if check(ROOT / "nowhere").stderr.startswith("Chromium was not found"):
        pytest.skip("there is no Chromium here")
    out = tmp_path_factory.mktemp("pages") / "docs"
    command = [sys.executable, "scripts/build_docs.py", f"--out={out}"]
    subprocess.run(command, cwd=ROOT, check=True)
    return out


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_page_fits_its_screen_and_asks_nothing_of_other_hosts(built):
    done = check(built)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_pages_with_faults_are_told(built):
    index = (built / "index.html").read_text()
    faults = [
        ("<img src=nowhere.png>", "a broken picture"),
        ("<div style='width: 2000px'>wide</div>", "pixels wider than the screen"),
        ("<script>undefined_function()</script>", "fails: "),
        ("<script src='https://example.invalid/x.js'></script>", "asks another host: https://exa"),
    ]
    for html, message in faults:
        (built / "wrong.html").write_text(index.replace("</article>", f"{html}</article>"))
        done = check(built, "wrong.html")
        assert done.returncode == 1 and message in done.stdout, done.stdout + done.stderr
