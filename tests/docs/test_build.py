from __future__ import annotations

import re
import subprocess
import sys

from tests.docs import fences
from tests.launch.helpers import ROOT


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
        assert (html if page.name != "README.md" else out / "index.html").is_file(), page
    reference = (out / "api" / "agents.iq.loss.html").read_text()
    # The docstring and the source.
    assert "Eq. 2" in reference
    assert "def " in re.sub("<[^>]+>", "", reference)
    assert not [path for path in out.rglob("*.html") if "cdn" in path.read_text()]
