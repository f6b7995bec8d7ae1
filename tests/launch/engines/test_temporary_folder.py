from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import pytest

from quinoa.launch.engines import temporary_folder

KILLED = """
import os, signal
from quinoa.launch.engines import temporary_folder
with temporary_folder.made() as folder:
    open(os.path.join(folder, "file"), "w").close()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def parent(tmp_path, monkeypatch):
    """Where temporary folders go."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_goes_with_what_is_in_it(parent):
    with pytest.raises(ZeroDivisionError), temporary_folder.made() as folder:
        with open(os.path.join(folder, "file"), "w", encoding="ascii"):
            pass
        assert [str(path) for path in parent.iterdir()] == [folder]
        raise ZeroDivisionError
    assert not list(parent.iterdir())


def test_what_a_killed_process_left_goes_with_the_next(parent):
    variables = {**os.environ, "TMPDIR": str(parent)}
    subprocess.run([sys.executable, "-c", KILLED], env=variables, check=False, timeout=60)
    (left,) = parent.iterdir()
    assert (left / "file").is_file()
    with temporary_folder.made():
        assert not left.exists()


def test_what_is_in_use_or_somebody_elses_stays(parent):
    (parent / "quinoa-run-of-somebody").mkdir()
    (parent / "quinoa-results").mkdir()
    with temporary_folder.made() as first, temporary_folder.made() as second:
        assert os.path.isdir(first)
        assert os.path.isdir(second)
    assert len(list(parent.iterdir())) == 2
