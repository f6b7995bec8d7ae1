from __future__ import annotations

import pytest

from tests.launch.disks import mounted


@pytest.fixture(autouse=True)
def no_lines_of_progress(monkeypatch):
    """What commands say does not depend on how long they take."""
    monkeypatch.setattr("launch.tally.LINE_S", float("inf"))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    with mounted(tmp_path / "disk") as folder:
        yield folder
