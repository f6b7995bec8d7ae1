from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile

import pytest

from quinoa.launch.errors import ExperimentError
from quinoa.launch.machine import temporary_folder
from tests.launch.disks import fill

KILLED = """
import os, signal
from quinoa.launch.machine import temporary_folder
with temporary_folder.create() as folder:
    open(os.path.join(folder, "file"), "w").close()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def parent(tmp_path, monkeypatch):
    """Where temporary folders go."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_goes_with_what_is_in_it(parent):
    with pytest.raises(ZeroDivisionError), temporary_folder.create() as folder:
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
    with temporary_folder.create():
        assert not left.exists()


def test_what_is_in_use_or_somebody_elses_stays(parent):
    (parent / "quinoa-run-of-somebody").mkdir()
    (parent / "quinoa-results").mkdir()
    with temporary_folder.create() as first, temporary_folder.create() as second:
        assert os.path.isdir(first)
        assert os.path.isdir(second)
    assert len(list(parent.iterdir())) == 2


def test_a_full_one_is_one_line_that_names_it(small_disk, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    message = rf"^The temporary folder {small_disk} cannot be used \(No space left on device\): "
    with pytest.raises(ExperimentError, match=message + ".*TMPDIR"):
        temporary_folder.require_room()
    fill(small_disk)
    with pytest.raises(ExperimentError, match=message):
        temporary_folder.require_room()
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]


def test_one_with_room_is_left_as_it_was(parent):
    temporary_folder.require_room()
    assert not list(parent.iterdir())


def test_one_that_is_not_there_is_one_line(parent, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(parent / "nowhere"))
    with pytest.raises(ExperimentError, match=r"nowhere cannot be used \(No such file"):
        temporary_folder.require_room()


def test_none_that_can_be_written_to_is_one_line(parent, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(parent / "nowhere")])
    with pytest.raises(ExperimentError, match=r"^There is no temporary folder .* set TMPDIR to"):
        temporary_folder.require_room()


def test_the_folder_itself_is_locked(parent):
    """systemd's tmpfiles removes what is old from folders that are not."""
    with temporary_folder.create() as folder:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with pytest.raises(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(descriptor)
