"""What the pages say in Python works as it stands there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

from tests.api.own import SMALL
from tests.docs import fences
from tests.launch import forked
from tests.launch.helpers import ROOT

PAGE = ROOT / "docs" / "api.md"
SCRIPTS = [fence for fence in fences.fences(PAGE) if fence.info.startswith('title="')]
FIRST, *OTHERS = SCRIPTS

# What README's lines leave to the reader, and what makes them short.
_OWN = f"""
from tests.api.own import Toy as MyGymEnv
SMALL = {dict(SMALL, engine="serial", folder="runs/RUN")!r}
"""


def run(text: str, folder: Path) -> str:
    """Runs a script in a folder, with a terminal that is none; gives what it prints."""
    (folder / "script.py").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("script", OTHERS, ids=lambda script: script.info.split('"')[1])
def test_every_script_of_the_page_runs(script, tmp_path):
    out = run(script.text, tmp_path)
    if "print(" in script.text:
        assert out.strip()
    assert len(list((tmp_path / "runs").iterdir())) >= 1


def run_here(text: str, folder: Path, monkeypatch, capsys) -> str:
    """The same in this process, which has TensorFlow imported: `import quinoa` changes nothing."""
    monkeypatch.chdir(folder)
    exec(compile(text, "script.py", "exec"), {"__name__": "__main__"})
    return capsys.readouterr().out


def test_the_first_script_learns(tmp_path, monkeypatch, capsys):
    assert "first.py" in FIRST.info
    last = run_here(FIRST.text, tmp_path, monkeypatch, capsys).splitlines()[-1]
    # Of 20, where actions at random get -12, and none at all 0.
    assert float(last.split()[0]) > 8, last


def test_the_readmes_lines_run(tmp_path, monkeypatch, capsys):
    (lines, *_) = (
        fence.text for fence in fences.fences(ROOT / "README.md") if fence.language == "python"
    )
    assert len(lines.strip().splitlines()) <= 6 and "steps=60_000," in lines
    short = lines.replace("steps=60_000,", "**SMALL,")
    assert run_here(_OWN + short, tmp_path, monkeypatch, capsys).splitlines()[-1] == "10.0"


@pytest.mark.long
def test_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("jupyter_client.launcher.Popen", forked.Popen)
    notebook = nbformat.read(ROOT / "docs" / "notebook.ipynb", as_version=4)
    # What the last cell has shown is a video, whose files are there.
    paths = "[str(path.absolute()) for path in Out[max(Out)].paths]"
    notebook.cells.append(nbformat.v4.new_code_cell(paths))
    client = nbclient.NotebookClient(
        notebook, timeout=250, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    # The bar, the curve and the video; and nothing that a library had to say.
    shown = [kind for output in outputs for kind in output.get("data", {})]
    assert shown.count("image/png") == 1
    html = [
        output["data"]["text/html"] for output in outputs if "text/html" in output.get("data", {})
    ]
    assert any("updates/step" in text for text in html)
    assert any(text.startswith('<img src="data:image/gif;base64,R0lG') for text in html)
    assert outputs[-1]["data"]["text/plain"] == repr([str(tmp_path / "reach.gif")])
    assert (tmp_path / "reach.gif").read_bytes().startswith(b"GIF")
    assert not [output for output in outputs if output.get("name") == "stderr"]
    (printed,) = (output["text"] for output in outputs if output.get("name") == "stdout")
    assert float(printed.split()[0]) > 14, printed
